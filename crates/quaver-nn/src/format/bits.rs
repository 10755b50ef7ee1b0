//! Weights of −1 and 1 as bits of a tensor of bytes.
//!
//! A weight of shape (out, ...) becomes (out, bytes): each row in row-major order, eight weights a
//! byte, the first in the lowest bit, 1 for 1 and 0 for −1. Bits behind a row's end are 0.

/// Shape of the bytes that stand for `shape`.
pub(super) fn shape(shape: &[usize]) -> Vec<usize> {
    vec![shape[0], row(shape).div_ceil(8)]
}

fn row(shape: &[usize]) -> usize {
    shape[1..].iter().product()
}

/// The signs of `values`.
pub(super) fn write(values: &[f32], shape: &[usize]) -> Vec<u8> {
    let byte = |weights: &[f32]| {
        let bits = weights.iter().enumerate();
        bits.fold(0, |byte, (bit, w)| byte | u8::from(*w >= 0.0) << bit)
    };
    let rows = values.chunks(row(shape));
    rows.flat_map(|row| row.chunks(8).map(byte)).collect()
}

/// The weights behind `bytes`, whose shape has been compared; `None` if a bit behind the end of
/// a row is set.
pub(super) fn read(bytes: &[u8], shape: &[usize]) -> Option<Vec<f32>> {
    let row = row(shape);
    let mut values = Vec::with_capacity(shape[0] * row);
    for bytes in bytes.chunks(row.div_ceil(8)) {
        let bit = |i: usize| bytes[i / 8] >> (i % 8) & 1 == 1;
        values.extend((0..row).map(|i| if bit(i) { 1.0 } else { -1.0 }));
        if (row..8 * bytes.len()).any(bit) {
            return None;
        }
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_with_a_byte() {
        let mut values = vec![-0.5; 22];
        for i in [0, 9, 10, 11, 21] {
            values[i] = 0.25;
        }
        values[2] = 0.0;
        let bytes = write(&values, &[2, 11, 1]);
        assert_eq!(shape(&[2, 11, 1]), [2, 2]);
        assert_eq!(bytes, [0b101, 0b110, 0b1, 0b100]);
        let signs: Vec<f32> = values
            .iter()
            .map(|&v| if v < 0.0 { -1.0 } else { 1.0 })
            .collect();
        assert_eq!(read(&bytes, &[2, 11, 1]), Some(signs));
        assert_eq!(read(&[0, 0b1000, 0, 0], &[2, 11, 1]), None);
    }
}
