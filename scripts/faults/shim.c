/* Loaded into a process under test (LD_PRELOAD): makes calls of the system fail on files of a name, or turns the clock back.
 *
 * FAULT_CALL   write, read, open, create (an open that may make the file), sync, rename or truncate; unset: none fails
 * FAULT_ERRNO  number that a failing call sets
 * FAULT_PATH   part of the path of the files that it fails for; with $ at its end, the end of their paths
 * FAULT_AFTER  calls that succeed before; default 0
 * FAULT_CLOCK  seconds that the clock of the day is set back, once FAULT_CLOCK_AFTER milliseconds have gone
 * FAULT_MARK   a file that is made as soon as a call has failed, or was told a wrong time
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static atomic_long calls;

static void mark(void) {
    const char * path = getenv("FAULT_MARK");
    const int kept = errno;
    const int file = path != NULL ? REAL(open)(path, O_CREAT | O_WRONLY, 0600) : -1;
    if (file >= 0) close(file);
    errno = kept;
}

static int is_in(const char * path, const char * part) {
    const size_t length = strlen(part);
    if (length == 0 || part[length - 1] != '$') return strstr(path, part) != NULL;
    const size_t end = strlen(path);
    return end >= length - 1 && strncmp(path + end - (length - 1), part, length - 1) == 0;
}

static int fails_for(const char * call, const char * path) {
    const char * chosen = getenv("FAULT_CALL");
    const char * part = getenv("FAULT_PATH");
    const char * after = getenv("FAULT_AFTER");
    if (chosen == NULL || strcmp(chosen, call) != 0 || part == NULL || !is_in(path, part)) return 0;
    if (atomic_fetch_add(&calls, 1) < (after != NULL ? atol(after) : 0)) return 0;
    const char * number = getenv("FAULT_ERRNO");
    mark();
    errno = number != NULL ? atoi(number) : EIO;
    return 1;
}

static int fails(const char * call, int fd) {
    if (getenv("FAULT_CALL") == NULL) return 0;
    char link[64];
    char path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails_for(call, path);
}

#define ON_FILE(call, type, name, parameters, arguments) \
    type name parameters {                               \
        if (fails(call, fd)) return -1;                  \
        return REAL(name) arguments;                     \
    }

ON_FILE("write", ssize_t, write, (int fd, const void * data, size_t size), (fd, data, size))
ON_FILE("write", ssize_t, writev, (int fd, const struct iovec * parts, int count), (fd, parts, count))
ON_FILE("write", ssize_t, pwrite, (int fd, const void * data, size_t size, off_t at), (fd, data, size, at))
ON_FILE("write", ssize_t, pwrite64, (int fd, const void * data, size_t size, off64_t at), (fd, data, size, at))
ON_FILE("write", ssize_t, pwritev, (int fd, const struct iovec * parts, int count, off_t at), (fd, parts, count, at))
ON_FILE("write", ssize_t, pwritev64, (int fd, const struct iovec * parts, int count, off64_t at), (fd, parts, count, at))
ON_FILE("read", ssize_t, read, (int fd, void * data, size_t size), (fd, data, size))
ON_FILE("read", ssize_t, pread, (int fd, void * data, size_t size, off_t at), (fd, data, size, at))
ON_FILE("read", ssize_t, pread64, (int fd, void * data, size_t size, off64_t at), (fd, data, size, at))
ON_FILE("sync", int, fsync, (int fd), (fd))
ON_FILE("sync", int, fdatasync, (int fd), (fd))
ON_FILE("truncate", int, ftruncate, (int fd, off_t size), (fd, size))
ON_FILE("truncate", int, ftruncate64, (int fd, off64_t size), (fd, size))

int rename(const char * from, const char * to) {
    if (fails_for("rename", to)) return -1;
    return REAL(rename)(from, to);
}

int link(const char * from, const char * to) {
    if (fails_for("rename", to)) return -1;
    return REAL(link)(from, to);
}

#define OPENS(name)                                                                     \
    int name(const char * path, int flags, ...) {                                       \
        va_list rest;                                                                   \
        va_start(rest, flags);                                                          \
        const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                                   \
        if (fails_for((flags & O_CREAT) != 0 ? "create" : "open", path)) return -1;      \
        return REAL(name)(path, flags, mode);                                           \
    }

OPENS(open)
OPENS(open64)

static long milliseconds(void) {
    struct timespec now;
    REAL(clock_gettime)(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Seconds that the clock is wrong by. */
static long error_of_clock(void) {
    static atomic_long begun;
    const char * back = getenv("FAULT_CLOCK");
    const char * after = getenv("FAULT_CLOCK_AFTER");
    if (back == NULL) return 0;
    long never = 0;
    atomic_compare_exchange_strong(&begun, &never, milliseconds());
    if (milliseconds() - begun < (after != NULL ? atol(after) : 0)) return 0;
    static atomic_flag marked = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&marked)) mark();
    return atol(back);
}

int clock_gettime(clockid_t clock, struct timespec * now) {
    const int failed = REAL(clock_gettime)(clock, now);
    if (failed == 0 && clock == CLOCK_REALTIME) now->tv_sec -= error_of_clock();
    return failed;
}

int gettimeofday(struct timeval * restrict now, void * restrict zone) {
    const int failed = REAL(gettimeofday)(now, zone);
    if (failed == 0) now->tv_sec -= error_of_clock();
    return failed;
}
