//! Hexadecimal, for digests and ids.

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    // By hand, because every line of the record has 64 digits: the formatting machinery takes
    // twenty times as long for them.
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
    ];
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// Reads exactly `N` bytes, in either case; `None` when the text is anything else.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? << 4 | digit(1)?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        assert_eq!(unhex(&hex(&[0, 127, 128, 255])), Some([0, 127, 128, 255]));
        assert_eq!(unhex("AbcD"), Some([0xab, 0xcd]));
        // A sign, a space, a letter of more than one byte, and the wrong lengths.
        for wrong in ["+1", " 1", "1g", "é", "1", "123"] {
            assert_eq!(unhex::<1>(wrong), None, "{wrong:?}");
        }
    }
}
