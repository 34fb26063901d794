//! The painter and the watcher on one X server: what is painted is seen, each picture once, at the painted rate.

use std::sync::atomic::{AtomicBool, Ordering};

use clock::Nanos;
use picture::Size;
use testkit::paint::{PaintOptions, Painter};
use testkit::watch::{Seen, Watcher};
use testkit::x_server::XServer;

const RATE: u32 = 60;

/// Paints and watches on one server for a second; `None` if there is no X server.
fn seen_of(damage_share: u32) -> anyhow::Result<Option<(u32, Seen)>> {
    let Some(server) = XServer::start(640, 480)? else {
        return Ok(None);
    };
    let is_over = AtomicBool::new(false);
    let options = PaintOptions {
        display: server.display().to_owned(),
        size: Size::new(640, 480),
        rate: RATE,
        damage_share,
    };
    let mut painter = Painter::open(&options)?;
    let mut watcher = Watcher::open(server.display(), (0, 0))?;
    let (painted, seen) = std::thread::scope(|scope| {
        let painter = scope.spawn(|| painter.run(None, &is_over));
        let seen = watcher.watch(Nanos::from_millis(1_000), &AtomicBool::new(false));
        is_over.store(true, Ordering::Relaxed);
        (painter.join(), seen)
    });
    let painted = painted.map_err(|_| anyhow::anyhow!("the painter panicked"))??;
    Ok(Some((painted.pictures, seen?)))
}

#[test]
fn what_is_painted_is_seen_in_order() {
    for share in [100, 1] {
        let Some((painted, seen)) = seen_of(share).unwrap() else {
            return;
        };
        // The machine may be busy: pictures may be missed, but none seen that was not painted.
        assert!(seen.pictures > 5, "{share} %: {seen:?}");
        assert!(seen.pictures <= painted, "{share} %: {painted}");
        assert_eq!(seen.out_of_order, 0, "{share} %");
        assert!(seen.latency.min().unwrap() > Nanos::ZERO);
        assert!(seen.rate() < f64::from(RATE) * 1.5, "{}", seen.rate());
    }
}

#[test]
fn an_empty_screen_has_no_picture() {
    let Some(server) = XServer::start(640, 480).unwrap() else {
        return;
    };
    let mut watcher = Watcher::open(server.display(), (0, 0)).unwrap();
    assert_eq!(watcher.first(Nanos::from_millis(50)).unwrap(), None);
    let is_over = AtomicBool::new(true);
    let seen = watcher.watch(Nanos::from_millis(50), &is_over).unwrap();
    assert_eq!(seen.pictures, 0);
}
