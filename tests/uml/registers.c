/* Preloaded into User Mode Linux on a host with more registers than its kernel knows of (AMX): there a process's
 * extended state can be read in part, but is set only as a whole, and the guest would die with its first process.
 * What the guest sets is laid over what is there. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    const pid_t pid = va_arg(arguments, pid_t);
    void* const addr = va_arg(arguments, void*);
    void* data = va_arg(arguments, void*);
    va_end(arguments);
    if (request == PTRACE_SETREGSET && (unsigned long)addr == NT_X86_XSTATE) {
        static unsigned char all[1 << 16] __attribute__((aligned(64)));
        const struct iovec* given = data;
        struct iovec whole = {all, sizeof all};
        if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, addr, &whole) == 0 &&
            whole.iov_len > given->iov_len) {
            memcpy(all, given->iov_base, given->iov_len);
            return syscall(SYS_ptrace, request, pid, addr, &whole);
        }
    }
    /* The C library's own form: a word that is read is the result. */
    long word = 0;
    const int peek =
        request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
    const long result = syscall(SYS_ptrace, request, pid, addr, peek ? (void*)&word : data);
    if (result < 0 || !peek) return result;
    errno = 0;
    return word;
}
