//! Pieces of a body, one after the other.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsRawFd, RawFd};

pub enum Piece {
    Bytes(Vec<u8>),
    /// `left`: so many bytes of it, where that is known.
    File {
        file: File,
        left: Option<u64>,
    },
}

/// What is left of a body.
pub struct Source {
    pieces: VecDeque<Piece>,
}

impl Source {
    pub fn of(pieces: Vec<Piece>) -> Source {
        Source { pieces: pieces.into() }
    }

    /// The length of the body, where that is known.
    pub fn bytes(&self) -> Option<u64> {
        let length = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => Some(bytes.len() as u64),
            Piece::File { left, .. } => *left,
        };
        self.pieces.iter().map(length).sum()
    }

    /// What is read next, if it may have to be waited for.
    pub fn descriptor(&self) -> Option<RawFd> {
        match self.pieces.front()? {
            Piece::Bytes(_) => None,
            Piece::File { file, .. } => Some(file.as_raw_fd()),
        }
    }

    /// The next part, of `most` bytes at most; nothing at the end.
    pub fn next(&mut self, most: usize) -> io::Result<Vec<u8>> {
        while let Some(piece) = self.pieces.front_mut() {
            let part = match piece {
                Piece::Bytes(bytes) => bytes.drain(..bytes.len().min(most)).collect(),
                Piece::File { file, left } => read(file, left, most)?,
            };
            if !part.is_empty() {
                return Ok(part);
            }
            self.pieces.pop_front();
        }
        Ok(Vec::new())
    }
}

fn read(file: &mut File, left: &mut Option<u64>, most: usize) -> io::Result<Vec<u8>> {
    let mut part = vec![0; left.map_or(most, |left| most.min(left as usize))];
    let length = loop {
        match file.read(&mut part) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    part.truncate(length);
    if let Some(left) = left {
        *left -= length as u64;
    }
    Ok(part)
}
