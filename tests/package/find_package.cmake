# Installs the SDK, builds plugins against it, loads each. Stops at the first step that fails.
function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${what} failed (${result}):\n${output}")
  endif()
  message(STATUS "${what}: ok")
endfunction()

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
step("install the SDK" "${CMAKE_COMMAND}" --install "${BUILD}" --component sdk --prefix "${WORK}/prefix")

# The tree's own module moves away, so that it can reach nothing by a relative path.
file(COPY "${SOURCE}/plugins/auth-psk" DESTINATION "${WORK}/source")
file(COPY "${SOURCE}/tests/package/wrapper-plugin" DESTINATION "${WORK}/source")
# The guide's example is built as it is printed.
foreach(name CMakeLists.txt plugin.json acme.cpp)
  # What is indented below the line that begins with the file's name.
  execute_process(COMMAND awk "/^`${name}`/ { on = 1; next } on && /^[^ ]/ { if (n) exit; on = 0 }
                               on && (n || NF) { print substr($0, 5); ++n }"
                          "${SOURCE}/sdk/doc/plugin-guide.md" OUTPUT_VARIABLE text)
  file(WRITE "${WORK}/guide/${name}" "${text}")
endforeach()
file(WRITE "${WORK}/source/CMakeLists.txt" [=[
cmake_minimum_required(VERSION 3.25)
project(outside LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
find_package(RacoonPlugin REQUIRED)
if(TARGET racoon_sdk)
  message(FATAL_ERROR "this is not the installed SDK")
endif()
add_compile_options(-Wall -Wextra -Wpedantic -Werror)
add_subdirectory(auth-psk)
add_subdirectory(wrapper-plugin)
]=])
set(flags)
if(SANITIZE)
  # A plugin without a sanitizer loads into a program that has one; -z defs would not link with it.
  list(APPEND flags "-DCMAKE_BUILD_TYPE=Debug")
endif()
step("configure" "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${WORK}/source" -B "${WORK}/build"
     "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_C_COMPILER=${C_COMPILER}"
     "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" ${flags})
step("build" "${CMAKE_COMMAND}" --build "${WORK}/build")
step("install the plugins" "${CMAKE_COMMAND}" --install "${WORK}/build" --prefix "${WORK}/prefix")
file(GLOB_RECURSE module "${WORK}/prefix/*/auth-psk.so")
get_filename_component(modules "${module}" DIRECTORY)
file(CHMOD_RECURSE "${modules}" DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ
     GROUP_EXECUTE FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
step("load auth-psk" "${LOAD}" "${modules}" auth-psk)
step("load wrapper" "${LOAD}" "${modules}" wrapper)

# Every module of the tree asks for nothing that only the tree has.
file(COPY "${SOURCE}/plugins" DESTINATION "${WORK}/every")
file(WRITE "${WORK}/every/CMakeLists.txt" [=[
cmake_minimum_required(VERSION 3.25)
project(every LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(RacoonPlugin REQUIRED)
add_subdirectory(plugins)
]=])
step("configure every module" "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${WORK}/every" -B "${WORK}/every/build"
     "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_C_COMPILER=${C_COMPILER}"
     "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" -DCMAKE_UNITY_BUILD=ON ${flags})
step("build every module" "${CMAKE_COMMAND}" --build "${WORK}/every/build")

step("configure the guide's example" "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${WORK}/guide" -B "${WORK}/guide/build"
     "-DCMAKE_PREFIX_PATH=${WORK}/prefix" "-DCMAKE_C_COMPILER=${C_COMPILER}"
     "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}" ${flags})
step("build the guide's example" "${CMAKE_COMMAND}" --build "${WORK}/guide/build")
file(GLOB_RECURSE example "${WORK}/guide/build/*/acme-otp.so")
file(COPY "${example}" DESTINATION "${modules}" FILE_PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
step("load the guide's example" "${LOAD}" "${modules}" acme-otp)

# The folders that are compiled in follow a prefix that is chosen after the first configuration.
foreach(prefix first second)
  step("configure for ${prefix}" "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${SOURCE}" -B "${WORK}/prefixes"
       -DRACOON_TESTS=OFF "-DCMAKE_INSTALL_PREFIX=/srv/${prefix}" "-DCMAKE_C_COMPILER=${C_COMPILER}"
       "-DCMAKE_CXX_COMPILER=${CXX_COMPILER}")
  file(READ "${WORK}/prefixes/core/generated/base/build_config.hpp" config)
  foreach(folder "/srv/${prefix}/etc/racoon" "/srv/${prefix}/lib/racoon/modules")
    if(NOT config MATCHES "\"${folder}\"")
      message(FATAL_ERROR "${folder} was expected in:\n${config}")
    endif()
  endforeach()
endforeach()
