//! What happens when memory runs out. Courier's start script leaves 128 MiB of address space; when that is not enough the client
//! gets a BYE and the log a line, and nothing on disk is half done (every change there is one rename).

use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; an allocation that fails ends the session in order.
pub struct Allocator;

/// Has large buffers given back to the system when they are freed: a session works on a folder for a moment and then idles for hours.
/// (glibc would raise this limit by itself at the first large buffer that is freed, and keep what comes after.)
pub fn give_back_large_buffers() {
    const LARGE: libc::c_int = 256 * 1024;
    // SAFETY: mallopt only sets numbers of the allocator; called before there is anything of ours to allocate.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

#[cold]
fn out_of_memory() -> ! {
    const BYE: &[u8] = b"\r\n* BYE [ALERT] Fatal error: Cannot allocate memory: Cannot allocate memory\r\n";
    const LOG: &[u8] = b"ERR: Cannot allocate memory\n";
    // SAFETY: two writes of constant, valid buffers and an exit; nothing here allocates. The descriptors may be blocking: a
    // client that does not read keeps this process waiting, not damaged.
    unsafe {
        libc::write(2, LOG.as_ptr().cast(), LOG.len());
        libc::write(1, BYE.as_ptr().cast(), BYE.len());
        libc::_exit(1)
    }
}

// SAFETY: every call goes to `System` unchanged; a null answer never comes back.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let p = unsafe { System.alloc(layout) };
        if p.is_null() { out_of_memory() } else { p }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let p = unsafe { System.alloc_zeroed(layout) };
        if p.is_null() { out_of_memory() } else { p }
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let p = unsafe { System.realloc(p, layout, size) };
        if p.is_null() { out_of_memory() } else { p }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(p, layout) }
    }
}
