//! The end of the process, asked for politely.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels the token when someone asks the process to end; asked again, it ends at once.
pub(super) fn cancel_on_signal(token: CancellationToken) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if token.is_cancelled() {
                std::process::exit(1);
            }
            super::talk::write("Stops after the request under way; what the operator has begun goes on.\n");
            token.cancel();
        }
    });
    Ok(())
}
