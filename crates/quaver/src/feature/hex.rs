//! Lists of numbers in text, to the last bit: eight hexadecimal digits each.

use std::fmt::Write as _;

/// Digits of `values`.
pub(super) fn write(values: &[f32]) -> String {
    let mut digits = String::with_capacity(8 * values.len());
    for value in values {
        let _ = write!(digits, "{:08x}", value.to_bits());
    }
    digits
}

/// The finite values of `digits`; `None` where they are none.
pub(super) fn read(digits: &str) -> Option<Vec<f32>> {
    let value = |digits: &[u8]| {
        let bits = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let value = f32::from_bits(bits);
        (digits.len() == 8 && value.is_finite()).then_some(value)
    };
    digits.as_bytes().chunks(8).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_comes_back() {
        let values = [0.0, -0.0, 1.0, -1.5e-40, f32::MAX];
        let digits = write(&values);
        assert_eq!(digits.len(), 40);
        let read_back = read(&digits).unwrap();
        assert!(
            values
                .iter()
                .zip(&read_back)
                .all(|(a, b)| a.to_bits() == b.to_bits())
        );
        for broken in ["3f80000", "3f80000g", "7fc00000", "3f8000003f", "3f80000ß"] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }
}
