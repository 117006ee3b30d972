//! The allocator, which ends the session when memory runs out. Courier's start script leaves 128
//! MiB of address space; when that is not enough, the client gets a BYE and the log a line, and the
//! disk stays consistent (every change there is one rename).

use super::last_words;
use std::alloc::{GlobalAlloc, Layout, System};

/// The system's allocator; an allocation that fails ends the session.
pub(crate) struct Allocator;

/// Returns large buffers to the system when they are freed: a session works on a folder for a
/// moment and then idles for hours. (Without this, glibc raises the limit when the first large
/// buffer is freed, and keeps later ones.)
pub(crate) fn give_back_large_buffers() {
    const LARGE: libc::c_int = 256 * 1024;
    // SAFETY: mallopt only sets numbers of the allocator; blocks that are there already stay valid.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, LARGE);
    }
}

/// From this size on a buffer is made of large pages where the system has them: to be given page by
/// page what the messages of a very large folder take, takes longer than to read these.
const HUGE: usize = 4 << 20;

/// Asks for large pages. It is no matter if there are none.
#[cold]
fn ask_for_large_pages(p: *mut u8, size: usize) {
    const PAGE: usize = 4096;
    let before = p.addr().next_multiple_of(PAGE) - p.addr();
    let length = (size - before) & !(PAGE - 1);
    // SAFETY: the range lies in the allocation, and the advice changes nothing of what is in it.
    unsafe { libc::madvise(p.add(before).cast(), length, libc::MADV_HUGEPAGE) };
}

#[cold]
fn out_of_memory() -> ! {
    last_words::end(
        b"ERR: Cannot allocate memory\n",
        b"* BYE [ALERT] Fatal error: Cannot allocate memory: Cannot allocate memory\r\n",
    )
}

// SAFETY: every call is passed to `System` unchanged; only null results are not returned. Advice
// about pages changes nothing of what is in them.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's guarantees hold for `System` too.
        let p = unsafe { System.alloc(layout) };
        if p.is_null() {
            out_of_memory()
        }
        if layout.size() >= HUGE {
            ask_for_large_pages(p, layout.size());
        }
        p
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let p = unsafe { System.alloc_zeroed(layout) };
        if p.is_null() {
            out_of_memory()
        }
        if layout.size() >= HUGE {
            ask_for_large_pages(p, layout.size());
        }
        p
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(p, layout, size) };
        if moved.is_null() {
            out_of_memory()
        }
        last_words::moved(p, layout.size(), moved, size);
        if size >= HUGE {
            ask_for_large_pages(moved, size);
        }
        moved
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        last_words::freed(p, layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(p, layout) }
    }
}
