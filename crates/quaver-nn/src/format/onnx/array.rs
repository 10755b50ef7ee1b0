//! [`Array`]: a constant of an ONNX file.

use super::error::{OnnxError, Reason};
use super::message::TensorMessage;

/// Kinds of numbers in ONNX.
pub(super) mod kind {
    pub(crate) const FLOAT: i32 = 1;
    pub(crate) const UINT8: i32 = 2;
    pub(crate) const INT8: i32 = 3;
    pub(crate) const UINT16: i32 = 4;
    pub(crate) const INT16: i32 = 5;
    pub(crate) const INT32: i32 = 6;
    pub(crate) const INT64: i32 = 7;
    pub(crate) const BOOL: i32 = 9;
    pub(crate) const FLOAT16: i32 = 10;
    pub(crate) const DOUBLE: i32 = 11;
}

/// Numbers of a constant: floats and short integers as float32, others as int64.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numbers {
    Float(Vec<f32>),
    Int(Vec<i64>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Numbers,
    /// Kind in the file, which says the range of quantized integers.
    pub(super) kind: i32,
}

impl Array {
    pub(super) fn floats(shape: Vec<usize>, values: Vec<f32>) -> Self {
        let (numbers, kind) = (Numbers::Float(values), kind::FLOAT);
        Self {
            shape,
            numbers,
            kind,
        }
    }

    pub(super) fn ints(shape: Vec<usize>, values: Vec<i64>) -> Self {
        let (numbers, kind) = (Numbers::Int(values), kind::INT64);
        Self {
            shape,
            numbers,
            kind,
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.numbers {
            Numbers::Float(values) => values.len(),
            Numbers::Int(values) => values.len(),
        }
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self.numbers, Numbers::Float(_))
    }

    pub(super) fn as_floats(&self) -> Vec<f32> {
        match &self.numbers {
            Numbers::Float(values) => values.clone(),
            Numbers::Int(values) => values.iter().map(|&v| v as f32).collect(),
        }
    }

    pub(super) fn as_ints(&self) -> Result<&[i64], Reason> {
        match &self.numbers {
            Numbers::Int(values) => Ok(values),
            Numbers::Float(_) => Err("expected integers, got floats".into()),
        }
    }

    /// The one number that all of it is, if there is one.
    pub(super) fn scalar(&self) -> Option<f32> {
        match &self.numbers {
            Numbers::Float(v) => v.first().filter(|one| v.iter().all(|v| v == *one)).copied(),
            Numbers::Int(v) => v
                .first()
                .filter(|one| v.iter().all(|v| v == *one))
                .map(|v| *v as f32),
        }
    }

    /// The same numbers in another shape of the same size.
    pub(super) fn reshaped(mut self, shape: Vec<usize>) -> Result<Self, Reason> {
        if shape.iter().product::<usize>() != self.len() {
            return Err(format!("{:?} does not fit into {shape:?}", self.shape));
        }
        self.shape = shape;
        Ok(self)
    }

    /// The array with axis `perm[i]` at place i.
    pub(super) fn transposed(&self, perm: &[usize]) -> Result<Self, Reason> {
        let rank = self.shape.len();
        let mut seen = vec![false; rank];
        for &p in perm {
            *seen.get_mut(p).ok_or("a permutation names no axis")? = true;
        }
        if perm.len() != rank || seen.contains(&false) {
            return Err(format!("{perm:?} is no permutation of {rank} axes"));
        }
        let stride = row_major(&self.shape);
        let shape: Vec<usize> = perm.iter().map(|&p| self.shape[p]).collect();
        let stride: Vec<usize> = perm.iter().map(|&p| stride[p]).collect();
        Ok(self.gathered(shape.clone(), &indices(&shape, &stride, 0)))
    }

    /// Numbers at `places`.
    pub(super) fn gathered(&self, shape: Vec<usize>, places: &[usize]) -> Self {
        let numbers = match &self.numbers {
            Numbers::Float(v) => Numbers::Float(places.iter().map(|&i| v[i]).collect()),
            Numbers::Int(v) => Numbers::Int(places.iter().map(|&i| v[i]).collect()),
        };
        Self {
            shape,
            numbers,
            kind: self.kind,
        }
    }

    /// Smallest and largest number of its kind of integers.
    pub(super) fn integer_range(&self) -> Option<(f32, f32)> {
        match self.kind {
            kind::UINT8 => Some((0.0, 255.0)),
            kind::INT8 => Some((-128.0, 127.0)),
            kind::UINT16 => Some((0.0, 65_535.0)),
            kind::INT16 => Some((-32_768.0, 32_767.0)),
            _ => None,
        }
    }
}

/// Sizes of axes, none of them negative.
pub(super) fn sizes(values: &[i64]) -> Result<Vec<usize>, Reason> {
    let size = |&v: &i64| usize::try_from(v).map_err(|_| format!("an axis of size {v}"));
    values.iter().map(size).collect()
}

/// Distances in memory of the axes of `shape` in row-major order.
pub(super) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut stride = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        stride[i - 1] = stride[i] * shape[i];
    }
    stride
}

/// Places in memory of the elements of `shape` in row-major order, axes `stride` apart.
pub(super) fn indices(shape: &[usize], stride: &[usize], offset: usize) -> Vec<usize> {
    let mut out = vec![offset];
    for (n, s) in shape.iter().zip(stride) {
        let grown = out.iter().flat_map(|at| (0..*n).map(move |i| at + i * s));
        out = grown.collect();
    }
    out
}

/// Reads a constant.
///
/// # Errors
/// For numbers outside the file, of an unknown kind, of another count than the shape says, or
/// not finite.
pub(super) fn read(tensor: &TensorMessage) -> Result<Array, OnnxError> {
    let wrong = |reason: String| OnnxError::Tensor {
        tensor: tensor.name.clone(),
        reason,
    };
    if tensor.data_location != 0 {
        let reason = "its numbers lie in another file, which is read with the file that names it";
        return Err(wrong(reason.into()));
    }
    let axis = |&d: &i64| usize::try_from(d).map_err(|_| wrong(format!("an axis of size {d}")));
    let shape = tensor
        .dims
        .iter()
        .map(axis)
        .collect::<Result<Vec<_>, _>>()?;
    let count = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
    let numbers = numbers(tensor).map_err(wrong)?;
    let array = Array {
        shape,
        numbers,
        kind: tensor.data_type,
    };
    if count != Some(array.len()) {
        return Err(wrong(format!(
            "shape {:?}, but {} numbers",
            tensor.dims,
            array.len()
        )));
    }
    if let Numbers::Float(values) = &array.numbers
        && let Some(at) = values.iter().position(|v| !v.is_finite())
    {
        let got = values[at];
        let reason = format!("value {at} is {got}, expected a finite number");
        return Err(wrong(reason));
    }
    Ok(array)
}

fn numbers(tensor: &TensorMessage) -> Result<Numbers, Reason> {
    let raw = &tensor.raw_data[..];
    let is_raw = !raw.is_empty();
    let ints = |size: usize, read: &dyn Fn(&[u8]) -> i64| -> Numbers {
        match is_raw {
            true => Numbers::Int(raw.chunks_exact(size).map(read).collect()),
            false => Numbers::Int(tensor.int32_data.iter().map(|&v| i64::from(v)).collect()),
        }
    };
    Ok(match tensor.data_type {
        kind::FLOAT if is_raw => Numbers::Float(words(raw).map(f32::from_le_bytes).collect()),
        kind::FLOAT => Numbers::Float(tensor.float_data.clone()),
        kind::DOUBLE if is_raw => {
            let wide = words(raw).map(f64::from_le_bytes);
            Numbers::Float(wide.map(|v| v as f32).collect())
        }
        kind::DOUBLE => Numbers::Float(tensor.double_data.iter().map(|&v| v as f32).collect()),
        kind::FLOAT16 if is_raw => {
            let halves = words(raw).map(u16::from_le_bytes);
            Numbers::Float(halves.map(half).collect())
        }
        kind::INT64 if is_raw => Numbers::Int(words(raw).map(i64::from_le_bytes).collect()),
        kind::INT64 => Numbers::Int(tensor.int64_data.clone()),
        kind::INT32 => ints(4, &|b| {
            i64::from(i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        }),
        kind::BOOL => ints(1, &|b| i64::from(b[0])),
        kind::INT16 => short(tensor, &|b: [u8; 2]| f32::from(i16::from_le_bytes(b))),
        kind::UINT16 => short(tensor, &|b: [u8; 2]| f32::from(u16::from_le_bytes(b))),
        kind::INT8 => short(tensor, &|[b]: [u8; 1]| f32::from(b as i8)),
        kind::UINT8 => short(tensor, &|[b]: [u8; 1]| f32::from(b)),
        other => {
            return Err(format!(
                "numbers of kind {other}; float16 to float64, int8 to int64 and bool are read"
            ));
        }
    })
}

/// Integers of up to sixteen bits, which float32 holds exactly in half the memory of int64.
fn short<const N: usize>(tensor: &TensorMessage, read: &dyn Fn([u8; N]) -> f32) -> Numbers {
    let raw = &tensor.raw_data[..];
    Numbers::Float(match raw.is_empty() {
        false => words(raw).map(read).collect(),
        true => tensor.int32_data.iter().map(|&v| v as f32).collect(),
    })
}

fn words<const N: usize>(raw: &[u8]) -> impl Iterator<Item = [u8; N]> {
    raw.chunks_exact(N).map(|chunk| {
        let mut word = [0; N];
        word.copy_from_slice(chunk);
        word
    })
}

/// IEEE 754 binary16 as float32, exactly.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, (bits >> 10) & 31, f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1.0 + fraction / 1024.0) * 2.0_f32.powi(i32::from(exponent) - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65_504.0),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn transposing_moves_axes() {
        let array = Array::ints(vec![2, 3], vec![0, 1, 2, 3, 4, 5]);
        let turned = array.transposed(&[1, 0]).unwrap();
        assert_eq!(turned, Array::ints(vec![3, 2], vec![0, 3, 1, 4, 2, 5]));
        assert!(array.transposed(&[0, 0]).is_err());
        assert!(array.transposed(&[0]).is_err());
    }
}
