//! What a job or a Process has printed, up to a limit.

/// The first bytes of an output.
#[derive(Debug, Clone, Default)]
pub struct KeptOutput {
    bytes: Vec<u8>,
    cut: bool,
}

impl KeptOutput {
    /// Adds what was printed next; at most so many bytes are kept in all, cut between two characters.
    pub fn append(&mut self, more: &[u8], bytes_max: usize) {
        if self.cut {
            return;
        }
        let room = bytes_max.saturating_sub(self.bytes.len());
        let Some(rest) = more.get(room..).filter(|rest| !rest.is_empty()) else {
            self.bytes.extend_from_slice(more);
            return;
        };
        self.cut = true;
        self.bytes.extend_from_slice(&more[..room]);
        if is_continuation(rest[0]) {
            // The character that is cut may have begun in an earlier piece. What is no UTF-8 stays as it is.
            let last = self.bytes.iter().rposition(|byte| !is_continuation(*byte));
            if let Some(first) = last.filter(|at| self.bytes[*at] >= 0b1100_0000 && self.bytes.len() - at < 4)
            {
                self.bytes.truncate(first);
            }
        }
    }

    /// Nothing more comes.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// What is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether more was dropped.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::KeptOutput;

    #[test]
    fn d10_it_is_cut_between_characters_however_it_comes() {
        for (text, kept) in
            [("ab\u{e9}d", 2), ("abc\u{e9}", 3), ("a\u{20ac}b", 1), ("\u{1f600}", 0), ("abcd", 3)]
        {
            for piece in 1..=text.len().max(1) {
                let mut output = KeptOutput::default();
                text.as_bytes().chunks(piece).for_each(|bytes| output.append(bytes, 3));
                output.append(b"more", 3);
                assert_eq!(output.bytes(), &text.as_bytes()[..kept], "{text} in pieces of {piece}");
                assert!(output.is_cut());
            }
        }
        let mut whole = KeptOutput::default();
        whole.append(b"\xff\x80\x80\x80", 4);
        assert!(!whole.is_cut() && whole.bytes().len() == 4);
    }
}
