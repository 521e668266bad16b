//! The start of the program on Linux, without what Rust's runtime does before `main` (it reads /proc/self/maps,
//! and sets up a stack for signal handlers). What the program needs of that is here.

use std::ffi::{c_char, c_int};

extern "C" {
    fn signal(number: c_int, handler: usize) -> usize;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
}

const SIGPIPE: c_int = 13;
const SIG_IGN: usize = 1;
const F_GETFD: c_int = 1;
const O_RDWR: c_int = 2;

#[no_mangle]
extern "C" fn main(_count: c_int, _words: *const *const c_char) -> c_int {
    // SAFETY: no other thread runs yet; the path ends with a NUL.
    unsafe {
        signal(SIGPIPE, SIG_IGN);
        // The lowest free number is what is opened next: no socket may get that of a standard stream.
        for fd in 0..3 {
            if fcntl(fd, F_GETFD) == -1 && open(c"/dev/null".as_ptr(), O_RDWR) == -1 {
                return 1;
            }
        }
    }
    crate::command()
}
