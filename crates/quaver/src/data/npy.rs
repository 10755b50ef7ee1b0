//! One array in NumPy's npy format, to and from bytes.
//! A header is never believed: shape times item size must be the bytes that are there.

use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder};
use ndarray_npy::WriteNpyExt;
use ndarray_npy::npy::header::Header;

/// NumPy needs no more for [`MAX_AXES`], padding included. The parser of Python literals takes up
/// to 480 bytes for each byte of it.
const MAX_HEADER: usize = 256 - PREFIX;
/// That parser is recursive; an honest header nests two deep.
const MAX_BRACKETS: usize = 8;
/// Magic, version and the two bytes of the header's length.
const PREFIX: usize = 10;
const MAX_AXES: usize = 8;

/// An array of any shape. Integers are held at their own width or twice that.
#[derive(Clone, Debug, PartialEq)]
pub enum NpyArray {
    /// `float32`.
    F32(ArrayD<f32>),
    /// `float64`.
    F64(ArrayD<f64>),
    /// `uint8`.
    U8(ArrayD<u8>),
    /// `bool`.
    Bool(ArrayD<bool>),
    /// `int8` and `int16`.
    I16(ArrayD<i16>),
    /// `int32` and `int64`.
    I64(ArrayD<i64>),
    /// `uint16` and `uint32`.
    U32(ArrayD<u32>),
    /// `uint64`.
    U64(ArrayD<u64>),
}

/// The bytes of an array are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// No npy header, or one this program does not read.
    #[error("no npy header of version 1 with up to {MAX_HEADER} bytes: {problem}")]
    Header {
        /// What is wrong with it.
        problem: String,
    },
    /// Another type of element.
    #[error(
        "elements of type {got}; allowed are bool, uint8 and little-endian float32, float64 and \
         integers"
    )]
    Type {
        /// NumPy's name of it, `'>f4'`.
        got: String,
    },
    /// More axes than any array here has.
    #[error("{got} axes; allowed are up to {MAX_AXES}")]
    Axes {
        /// How many.
        got: usize,
    },
    /// Fewer or more bytes than the shape needs.
    #[error("the header declares shape {shape:?} of {item} bytes each, {got} bytes follow")]
    Length {
        /// Declared shape.
        shape: Vec<usize>,
        /// Bytes of one element.
        item: usize,
        /// Bytes there are.
        got: usize,
    },
    /// A boolean that is neither 0 nor 1.
    #[error("a boolean of {got}; allowed are 0 and 1")]
    Bool {
        /// The byte.
        got: u8,
    },
}

impl NpyArray {
    /// Shape.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match self {
            Self::F32(array) => array.shape(),
            Self::F64(array) => array.shape(),
            Self::U8(array) => array.shape(),
            Self::Bool(array) => array.shape(),
            Self::I16(array) => array.shape(),
            Self::I64(array) => array.shape(),
            Self::U32(array) => array.shape(),
            Self::U64(array) => array.shape(),
        }
    }

    /// Type and shape, for messages: `float32 of shape [2, 3]`.
    #[must_use]
    pub fn describe(&self) -> String {
        let kind = match self {
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
            Self::U8(_) => "uint8",
            Self::Bool(_) => "bool",
            Self::I16(_) | Self::I64(_) => "signed integers",
            Self::U32(_) | Self::U64(_) => "unsigned integers",
        };
        format!("{kind} of shape {:?}", self.shape())
    }

    /// Its elements in row-major order, if they are integers, of whatever width.
    #[must_use]
    pub fn integers(&self) -> Option<Box<dyn Iterator<Item = i128> + '_>> {
        match self {
            Self::U8(array) => Some(Box::new(array.iter().map(|&v| v.into()))),
            Self::I16(array) => Some(Box::new(array.iter().map(|&v| v.into()))),
            Self::I64(array) => Some(Box::new(array.iter().map(|&v| v.into()))),
            Self::U32(array) => Some(Box::new(array.iter().map(|&v| v.into()))),
            Self::U64(array) => Some(Box::new(array.iter().map(|&v| v.into()))),
            Self::F32(_) | Self::F64(_) | Self::Bool(_) => None,
        }
    }

    /// Reads one array.
    ///
    /// # Errors
    /// [`NpyError`]; nothing larger than `bytes` is allocated before they are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NpyError> {
        let header = read_header(bytes)?;
        let descr = header
            .type_descriptor
            .as_string()
            .cloned()
            .unwrap_or_default();
        let data = Data {
            bytes: &bytes[header.len..],
            header: &header,
        };
        match descr.as_str() {
            "<f4" => data.read(f32::from_le_bytes).map(Self::F32),
            "<f8" => data.read(f64::from_le_bytes).map(Self::F64),
            "|u1" | "<u1" => data.read(u8::from_le_bytes).map(Self::U8),
            "|b1" => data.read_bools().map(Self::Bool),
            "|i1" | "<i1" => data
                .read(|b| i16::from(i8::from_le_bytes(b)))
                .map(Self::I16),
            "<i2" => data.read(i16::from_le_bytes).map(Self::I16),
            "<i4" => data
                .read(|b| i64::from(i32::from_le_bytes(b)))
                .map(Self::I64),
            "<i8" => data.read(i64::from_le_bytes).map(Self::I64),
            "<u2" => data
                .read(|b| u32::from(u16::from_le_bytes(b)))
                .map(Self::U32),
            "<u4" => data.read(u32::from_le_bytes).map(Self::U32),
            "<u8" => data.read(u64::from_le_bytes).map(Self::U64),
            _ => Err(NpyError::Type {
                got: header.type_descriptor.to_string(),
            }),
        }
    }

    /// Writes the array in C order, as NumPy would.
    ///
    /// # Errors
    /// [`NpyError::Header`] when the shape does not fit a header.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NpyError> {
        let mut bytes = Vec::new();
        let written = match self {
            Self::F32(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::F64(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::U8(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::Bool(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::I16(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::I64(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::U32(array) => array.as_standard_layout().write_npy(&mut bytes),
            Self::U64(array) => array.as_standard_layout().write_npy(&mut bytes),
        };
        match written {
            Ok(()) => Ok(bytes),
            Err(problem) => Err(NpyError::Header {
                problem: problem.to_string(),
            }),
        }
    }
}

macro_rules! from_arrays {
    ($($element:ty => $variant:ident),*) => {$(
        impl<D: ndarray::Dimension> From<Array<$element, D>> for NpyArray {
            fn from(array: Array<$element, D>) -> Self {
                Self::$variant(array.into_dyn())
            }
        }

        impl From<Vec<$element>> for NpyArray {
            fn from(values: Vec<$element>) -> Self {
                Self::$variant(Array::from_vec(values).into_dyn())
            }
        }
    )*};
}

from_arrays!(
    f32 => F32, f64 => F64, u8 => U8, bool => Bool, i16 => I16, i64 => I64, u32 => U32, u64 => U64
);

/// A parsed header and where the data begins.
struct Parsed {
    header: Header,
    len: usize,
}

impl std::ops::Deref for Parsed {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

fn read_header(bytes: &[u8]) -> Result<Parsed, NpyError> {
    let refuse = |problem: &str| {
        Err(NpyError::Header {
            problem: problem.to_owned(),
        })
    };
    if !bytes.starts_with(b"\x93NUMPY\x01") {
        return refuse("it begins otherwise");
    }
    let Some((&[low, high], text)) = bytes
        .get(8..)
        .and_then(|rest| rest.split_first_chunk::<2>())
    else {
        return refuse("it is cut short");
    };
    let len = usize::from(u16::from_le_bytes([low, high]));
    let Some(text) = text.get(..len).filter(|_| len <= MAX_HEADER) else {
        return refuse(&format!("{len} bytes declared"));
    };
    let count = |brackets: &[u8]| text.iter().filter(|byte| brackets.contains(byte)).count();
    // An open brace may begin three things, so that each one triples the parser's work.
    if count(b"([{") > MAX_BRACKETS || count(b"{") > 1 {
        return refuse("too many brackets");
    }
    let len = PREFIX + len;
    match Header::from_reader(&mut &bytes[..len]) {
        Ok(header) if header.shape.len() <= MAX_AXES => Ok(Parsed { header, len }),
        Ok(header) => Err(NpyError::Axes {
            got: header.shape.len(),
        }),
        Err(problem) => refuse(&problem.to_string()),
    }
}

struct Data<'a> {
    bytes: &'a [u8],
    header: &'a Header,
}

impl Data<'_> {
    fn read<T, const SIZE: usize>(
        &self,
        value: impl Fn([u8; SIZE]) -> T,
    ) -> Result<ArrayD<T>, NpyError> {
        let shape = &self.header.shape;
        let mismatch = || NpyError::Length {
            shape: shape.clone(),
            item: SIZE,
            got: self.bytes.len(),
        };
        let needed = shape
            .iter()
            .try_fold(SIZE, |bytes, &axis| bytes.checked_mul(axis));
        if needed != Some(self.bytes.len()) {
            return Err(mismatch());
        }
        let (items, _) = self.bytes.as_chunks::<SIZE>();
        let values = items.iter().map(|&item| value(item)).collect();
        let order = IxDyn(shape).set_f(self.header.layout.is_fortran());
        Array::from_shape_vec(order, values).map_err(|_| mismatch())
    }

    fn read_bools(&self) -> Result<ArrayD<bool>, NpyError> {
        let bytes = self.read(u8::from_le_bytes)?;
        match bytes.iter().find(|&&byte| byte > 1) {
            Some(&got) => Err(NpyError::Bool { got }),
            None => Ok(bytes.mapv(|byte| byte == 1)),
        }
    }
}

#[cfg(test)]
mod tests;
