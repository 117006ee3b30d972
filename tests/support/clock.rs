//! A machine whose clock is not right, or whose time flies: a library in front of the C library's
//! own calls, built for the test.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Builds a library from C in `dir`; its path, for `LD_PRELOAD`. `None`, with a word, where there
/// is no compiler.
fn library(dir: &Path, source: &str) -> Option<String> {
    let (c, so) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&c, source).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&so).arg(&c).status();
    if !built.is_ok_and(|status| status.success()) {
        eprintln!("left out: no C compiler");
        return None;
    }
    Some(so.to_str().unwrap().to_owned())
}

/// Today's date is so many days ahead; the file system's is not, as on a client of a file server.
pub fn ahead(dir: &Path, days: i64) -> Option<String> {
    let source = format!(
        "#define _GNU_SOURCE\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n\
         int clock_gettime(clockid_t id, struct timespec *t) {{\n\
         int r = syscall(SYS_clock_gettime, id, t); if (id == CLOCK_REALTIME) t->tv_sec += {days} * 86400L; return r; }}\n"
    );
    library(dir, &source)
}

/// The clock is off by the seconds in `CLOCK_SHIFT`, and what files say of their times by those in
/// `FILES_SHIFT`: both numbers are the process's own. Unset: by none.
pub fn shifted(dir: &Path) -> Option<String> {
    let source = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static long of(const char *name) { const char *s = getenv(name); return s ? atol(s) : 0; }
static int files(int r, struct stat *s) {
    long n = of("FILES_SHIFT");
    if (!r) { s->st_mtime += n; s->st_ctime += n; s->st_atime += n; }
    return r;
}
int clock_gettime(clockid_t id, struct timespec *t) {
    int r = syscall(SYS_clock_gettime, id, t);
    if (!r && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += of("CLOCK_SHIFT");
    return r;
}
int statx(int d, const char *p, int f, unsigned m, struct statx *s) {
    int r = syscall(SYS_statx, d, p, f, m, s);
    long n = of("FILES_SHIFT");
    if (!r) { s->stx_mtime.tv_sec += n; s->stx_ctime.tv_sec += n; s->stx_atime.tv_sec += n; }
    return r;
}
int fstatat(int d, const char *p, struct stat *s, int f) { return files(syscall(SYS_newfstatat, d, p, s, f), s); }
int fstatat64(int d, const char *p, struct stat64 *s, int f) { return fstatat(d, p, (struct stat *)s, f); }
int fstat(int d, struct stat *s) { return fstatat(d, "", s, AT_EMPTY_PATH); }
int fstat64(int d, struct stat64 *s) { return fstat(d, (struct stat *)s); }
int stat(const char *p, struct stat *s) { return fstatat(AT_FDCWD, p, s, 0); }
int stat64(const char *p, struct stat64 *s) { return stat(p, (struct stat *)s); }
int lstat(const char *p, struct stat *s) { return fstatat(AT_FDCWD, p, s, AT_SYMLINK_NOFOLLOW); }
int lstat64(const char *p, struct stat64 *s) { return lstat(p, (struct stat *)s); }
"#;
    library(dir, source)
}

/// A second is so many: waits end sooner, and the clock that they are measured by runs faster.
pub fn fast(dir: &Path, times: i64) -> Option<String> {
    let source = format!(
        "#define _GNU_SOURCE\n#include <poll.h>\n#include <signal.h>\n#include <sys/syscall.h>\n#include <time.h>\n#include <unistd.h>\n\
         static struct timespec of(long long n) {{ struct timespec t = {{ n / 1000000000, n % 1000000000 }}; return t; }}\n\
         static long long in(const struct timespec *t) {{ return t->tv_sec * 1000000000LL + t->tv_nsec; }}\n\
         int clock_gettime(clockid_t id, struct timespec *t) {{\n\
         static long long first; int r = syscall(SYS_clock_gettime, id, t); if (id != CLOCK_MONOTONIC) return r;\n\
         if (!first) first = in(t); *t = of(first + (in(t) - first) * {times}); return r; }}\n\
         int ppoll(struct pollfd *f, nfds_t n, const struct timespec *t, const sigset_t *s) {{\n\
         struct timespec u; if (t) u = of(in(t) / {times}); return syscall(SYS_ppoll, f, n, t ? &u : 0, s, s ? 8 : 0); }}\n"
    );
    library(dir, &source)
}

/// Every file has been as it is for so many days.
pub fn old_files(dir: &Path, days: i64) -> Option<String> {
    let source = format!(
        "#define _GNU_SOURCE\n#include <fcntl.h>\n#include <sys/stat.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
         int statx(int d, const char *p, int f, unsigned m, struct statx *s) {{\n\
         int r = syscall(SYS_statx, d, p, f, m, s); if (!r) s->stx_ctime.tv_sec -= {days} * 86400L; return r; }}\n\
         int fstatat(int d, const char *p, struct stat *s, int f) {{\n\
         int r = syscall(SYS_newfstatat, d, p, s, f); if (!r) s->st_ctime -= {days} * 86400L; return r; }}\n"
    );
    library(dir, &source)
}
