//! Connects to a QEMU with `-spice` and prints the size of its screen.
//!
//! ```text
//! qemu-system-x86_64 -nodefaults -vga std -display none -spice unix=on,addr=/tmp/vm.sock,disable-ticketing=on &
//! cargo run -p spice --example screen_size -- /tmp/vm.sock
//! cargo run -p spice --example screen_size -- localhost 5900 password
//! ```

use std::{sync::mpsc, time::Duration};

use spice::{
    Event, Password, SessionOptions,
    display::DisplayEvent,
    transport::{Address, Client, Report},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let host = arguments
        .next()
        .ok_or("usage: screen_size PATH | screen_size HOST PORT [PASSWORD]")?;
    let port = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let options = SessionOptions {
        password: Password::new(arguments.next().unwrap_or_default()),
        ..SessionOptions::default()
    };

    let (sender, receiver) = mpsc::channel();
    let address = Address::from_host_and_port(&host, port)?;
    let _client = Client::connect(address, options, move |report| {
        let message = match report {
            Report::Event(Event::Display(DisplayEvent::Created(size))) => Ok(size),
            Report::Finished(outcome) => Err(outcome.to_string()),
            Report::Event(_) => return,
        };
        // The main thread has what it wants and is gone.
        let _ = sender.send(message);
    })?;
    let size = receiver.recv_timeout(Duration::from_secs(10))??;
    println!("{}x{}", size.width, size.height);
    Ok(())
}
