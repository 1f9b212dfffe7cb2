//! A descriptor that is readable while it is raised.
//!
//! On Linux it is an `eventfd`: one descriptor, and a counter in it. Elsewhere it is a
//! pipe, with a byte in it.

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) use event::Wake;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) use pipe::Wake;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod event {
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::os::fd::{AsRawFd, FromRawFd, RawFd};

    /// See the module.
    #[derive(Debug)]
    pub(crate) struct Wake(File);

    impl Wake {
        /// One that is not raised.
        pub(crate) fn new() -> io::Result<Self> {
            // SAFETY: takes two numbers.
            let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the descriptor is new, and nobody else's.
            Ok(Self(unsafe { File::from_raw_fd(fd) }))
        }

        /// What is to be polled for reading.
        pub(crate) fn fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }

        /// Makes it readable.
        pub(crate) fn raise(&self) {
            // Fails only if it has been raised 2^64 - 2 times.
            let _ = (&self.0).write(&1_u64.to_ne_bytes());
        }

        /// Makes it not readable.
        pub(crate) fn lower(&self) {
            // Fails only if it is not raised.
            let _ = (&self.0).read(&mut [0; 8]);
        }
    }
}

#[cfg(any(test, not(any(target_os = "linux", target_os = "android"))))]
mod pipe {
    use std::io::{self, PipeReader, PipeWriter, Read, Write};
    use std::os::fd::{AsRawFd, RawFd};

    /// See the module.
    #[derive(Debug)]
    pub(crate) struct Wake {
        reader: PipeReader,
        writer: PipeWriter,
    }

    impl Wake {
        /// One that is not raised.
        pub(crate) fn new() -> io::Result<Self> {
            let (reader, writer) = io::pipe()?;
            for fd in [reader.as_raw_fd(), writer.as_raw_fd()] {
                // SAFETY: the descriptor is open; nothing else is set on a new pipe.
                if unsafe { libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) } < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(Self { reader, writer })
        }

        /// What is to be polled for reading.
        pub(crate) fn fd(&self) -> RawFd {
            self.reader.as_raw_fd()
        }

        /// Makes it readable.
        pub(crate) fn raise(&self) {
            // Fails only if the pipe is full: then it is readable.
            let _ = (&self.writer).write(&[0]);
        }

        /// Makes it not readable.
        pub(crate) fn lower(&self) {
            while matches!((&self.reader).read(&mut [0; 16]), Ok(1..)) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::RawFd;

    fn is_readable(fd: RawFd) -> bool {
        let mut poll = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, and no time to wait.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    macro_rules! is_readable_while_it_is_raised {
        ($wake:ty) => {{
            let wake = <$wake>::new().unwrap();
            assert!(!is_readable(wake.fd()));
            for raised in [1, 2, 40] {
                (0..raised).for_each(|_| wake.raise());
                assert!(is_readable(wake.fd()), "raised {raised} times");
                wake.lower();
                assert!(!is_readable(wake.fd()), "raised {raised} times and lowered");
                wake.lower();
                assert!(!is_readable(wake.fd()), "lowered twice");
            }
        }};
    }

    #[test]
    fn the_one_of_this_system_is_readable_while_it_is_raised() {
        is_readable_while_it_is_raised!(super::Wake);
    }

    #[test]
    fn a_pipe_is_readable_while_it_is_raised() {
        is_readable_while_it_is_raised!(super::pipe::Wake);
    }
}
