//! Survives a file that shrinks under its mapping.
//!
//! Whoever owns the file can cut it at any time (`truncate`, a virtual machine started anew); touching a page that is
//! gone then raises `SIGBUS`, which kills a process. The handler puts zero pages in their place, so that the access
//! goes on, and marks the mapping: [`SharedMemory::is_faulted`](crate::SharedMemory::is_faulted) tells it from then
//! on. A fault outside of our mappings goes to whichever handler was there before.
//!
//! The handler reads the table below and makes two kinds of system call, `mmap` and `sigaction`; it takes no lock and
//! no memory, and keeps `errno`. Sources: signal-safety(7), sigaction(2), mmap(2).

use std::ffi::c_int;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use rustix::io::Errno;

mod table;

pub(crate) use table::Registration;

/// The handler that was there before ours; null until ours is installed.
static EARLIER: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler for the whole process. Programs do this once, first thing; libraries never do.
///
/// # Errors
/// If the kernel refuses; then a shrinking file ends the process, as without the handler.
pub fn install_handler() -> Result<(), Errno> {
    static ONCE: Once = Once::new();
    static RESULT: AtomicI32 = AtomicI32::new(0);
    ONCE.call_once(|| {
        if let Err(error) = install() {
            // Relaxed: `Once` orders it before every other caller's load.
            RESULT.store(error.raw_os_error(), Ordering::Relaxed);
        }
    });
    match RESULT.load(Ordering::Relaxed) {
        0 => Ok(()),
        raw => Err(Errno::from_raw_os_error(raw)),
    }
}

/// An action that means the default.
fn default_action() -> libc::sigaction {
    // SAFETY: `sigaction` is a C structure of integers, an empty signal set and an optional function pointer, for
    // all of which zero is a value; SIG_DFL is 0.
    unsafe { std::mem::zeroed() }
}

/// Changes or reads the action for `SIGBUS`.
fn action(new: *const libc::sigaction, old: *mut libc::sigaction) -> Result<(), Errno> {
    // SAFETY: both pointers are null or point to structures of the callers below; `new` holds a handler of the
    // signature its flags promise, or a default.
    if unsafe { libc::sigaction(libc::SIGBUS, new, old) } == 0 {
        Ok(())
    } else {
        let raw = std::io::Error::last_os_error().raw_os_error();
        Err(Errno::from_raw_os_error(raw.unwrap_or(libc::EINVAL)))
    }
}

/// Remembers the earlier action, then replaces it: in this order, so that the handler always finds it.
fn install() -> Result<(), Errno> {
    let mut earlier = Box::new(default_action());
    action(ptr::null(), &raw mut *earlier)?;
    // Never freed: the handler may need it until the process ends. Release pairs with the handler's Acquire.
    EARLIER.store(Box::into_raw(earlier), Ordering::Release);
    let mut ours = default_action();
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) = handle;
    ours.sa_sigaction = handler as usize;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    action(&raw const ours, ptr::null_mut())
}

/// Handles `SIGBUS`.
extern "C" fn handle(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of this thread's errno is valid as long as the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { errno.read() };
    // SAFETY: the kernel passes a valid structure to a handler installed with SA_SIGINFO, on the handler's stack.
    let described = unsafe { &*info };
    // Codes of 0 and below come from `kill` and the like, and carry no address.
    let faulted = described.si_code > 0;
    // SAFETY: the field lies inside the structure; it is an address if this is a fault, else its value is not used.
    let address = unsafe { described.si_addr() }.addr();
    if !(faulted && table::repair(address)) {
        chain(signal, info, context, faulted);
    }
    // SAFETY: as above.
    unsafe { errno.write(kept) };
}

/// Hands the signal to the earlier handler, or lets the default happen.
fn chain(signal: c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void, faulted: bool) {
    let earlier = EARLIER.load(Ordering::Acquire);
    // SAFETY: null, or the structure `install` leaked before it installed the handler; nobody writes it since.
    let (handler, flags) = match unsafe { earlier.as_ref() } {
        Some(earlier) => (earlier.sa_sigaction, earlier.sa_flags),
        None => (libc::SIG_DFL, 0),
    };
    if handler == libc::SIG_IGN && !faulted {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // A fault happens again on return, and then ends the process, as it would have without us; the kernel does
        // not let a fault be ignored. A signal that was sent has to be sent again; it waits until we return.
        let default = default_action();
        let _ = action(&raw const default, ptr::null_mut());
        if !faulted {
            // SAFETY: sends a signal to this thread, which takes no memory.
            unsafe { libc::raise(signal) };
        }
    } else if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with SA_SIGINFO the word is a function of this signature.
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut libc::c_void) =
            unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO the word is a function of this signature.
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}
