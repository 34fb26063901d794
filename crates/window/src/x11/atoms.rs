//! The names that are spoken with window managers.

x11rb::atom_manager! {
    pub(crate) Atoms:
    AtomsCookie {
        CAPS_LOCK: &b"Caps Lock"[..],
        NUM_LOCK: &b"Num Lock"[..],
        SCROLL_LOCK: &b"Scroll Lock"[..],
        UTF8_STRING,
        WM_PROTOCOLS,
        WM_DELETE_WINDOW,
        WM_CHANGE_STATE,
        WM_CLIENT_MACHINE,
        _MOTIF_WM_HINTS,
        _NET_SUPPORTED,
        _NET_SUPPORTING_WM_CHECK,
        _NET_WM_BYPASS_COMPOSITOR,
        _NET_WM_NAME,
        _NET_WM_PID,
        _NET_WM_PING,
        _NET_WM_STATE,
        _NET_WM_STATE_DEMANDS_ATTENTION,
        _NET_WM_STATE_FULLSCREEN,
        _NET_WM_STATE_MAXIMIZED_HORZ,
        _NET_WM_STATE_MAXIMIZED_VERT,
        _NET_WM_WINDOW_TYPE,
        _NET_WM_WINDOW_TYPE_NORMAL,
    }
}
