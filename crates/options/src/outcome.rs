//! How a program ends when its configuration does not let it start.

use std::io::{self, Write};

use crate::notice::{Level, Notice};

/// Why a program does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user asked for something to be printed.
    PrintAndExit {
        /// For standard output.
        text: String,
        /// The exit status.
        status: u8,
        /// For standard error.
        notices: Vec<Notice>,
    },
    /// The configuration is not good enough.
    Fail {
        /// For standard error.
        message: String,
        /// The exit status.
        status: u8,
        /// For standard error, before the message.
        notices: Vec<Notice>,
    },
}

impl Outcome {
    /// Writes what there is to say to the two streams and returns the exit status.
    ///
    /// # Errors
    /// Those of the streams.
    pub fn report(&self, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
        let (Self::PrintAndExit { notices, .. } | Self::Fail { notices, .. }) = self;
        for notice in notices.iter().filter(|notice| notice.level > Level::Info) {
            writeln!(err, "{notice}")?;
        }
        match self {
            Self::PrintAndExit { text, status, .. } => {
                out.write_all(text.as_bytes())?;
                out.flush()?;
                Ok(*status)
            }
            Self::Fail {
                message, status, ..
            } => {
                writeln!(err, "{message}")?;
                Ok(*status)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reported(outcome: &Outcome) -> (u8, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let status = outcome.report(&mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status, text(out), text(err))
    }

    fn notices() -> Vec<Notice> {
        vec![Notice::info("i"), Notice::warning("w"), Notice::error("e")]
    }

    #[test]
    fn printed_text_goes_to_the_first_stream_and_notices_to_the_second() {
        let text = "help\n".to_owned();
        let outcome = Outcome::PrintAndExit {
            text,
            status: 0,
            notices: notices(),
        };
        let err = "warning: w\nerror: e\n".to_owned();
        assert_eq!(reported(&outcome), (0, "help\n".to_owned(), err));
    }

    #[test]
    fn failure_leaves_the_first_stream_alone() {
        let message = "no".to_owned();
        let outcome = Outcome::Fail {
            message,
            status: 255,
            notices: notices(),
        };
        let err = "warning: w\nerror: e\nno\n".to_owned();
        assert_eq!(reported(&outcome), (255, String::new(), err));
    }
}
