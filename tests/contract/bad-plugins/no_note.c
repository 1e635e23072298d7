/* A shared library that is no plugin. */
extern int answer;
__attribute__((visibility("default"))) int answer = 42;
