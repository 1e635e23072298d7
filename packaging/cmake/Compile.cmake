# Warnings, sanitizers and hardening, for every target of this tree.
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wundef
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast>)
if(RACOON_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # In a unity build g++ takes every source for a header, whose types may not use an anonymous namespace.
  if(CMAKE_UNITY_BUILD)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
  endif()
  # g++ 12 reports false positives of these from inlined standard containers.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overflow>
                      $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds>
                      $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()

if(RACOON_SANITIZE)
  add_compile_options(-fsanitize=${RACOON_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${RACOON_SANITIZE})
  # Hundreds of programs with much debugging information are linked for the tests.
  find_program(RACOON_MOLD mold)
  mark_as_advanced(RACOON_MOLD)
  if(RACOON_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
  if(NOT RACOON_FUZZ)
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
  endif()
endif()

if(RACOON_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)  # libFuzzer steers by what it sees reached
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -fcf-protection
                      -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(NOT RACOON_SANITIZE)
  # What a debugger wants to know is most of a program, and is copied with it, into guests as well.
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--compress-debug-sections=zlib)
endif()
add_compile_options(-fvisibility=hidden $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>)
include(CheckPIESupported)
check_pie_supported()

# In a unity build (-DCMAKE_UNITY_BUILD=ON, several times as fast) these files of the calling folder are compiled
# alone: a neighbour has the same name in its anonymous namespace.
function(racoon_compile_alone)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()
