//! [`Batch`]: the examples of a call.

/// Pixels as they are stored.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// 0 to 255, read as value / 255.
    U8(&'a [u8]),
    /// As they are.
    F32(&'a [f32]),
}

/// Examples of a call: rows of stored pixels, with the ids that key their noise.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `(rows, example size)`.
    pub pixels: Pixels<'a>,
    /// Rows of `pixels` to take; `None`: all, in order.
    pub rows: Option<&'a [usize]>,
    /// Id of each example.
    pub ids: &'a [u64],
}

impl Batch<'_> {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Where in [`Batch::pixels`] the example of row `row` stands.
    pub(crate) fn index(&self, row: usize) -> usize {
        self.rows.map_or(row, |rows| rows[row])
    }

    /// Copies the pixels of row `row` out, as numbers.
    pub fn copy(&self, row: usize, to: &mut [f32]) {
        let from = self.index(row) * to.len();
        match self.pixels {
            Pixels::U8(pixels) => {
                let bytes = &pixels[from..from + to.len()];
                for (to, byte) in to.iter_mut().zip(bytes) {
                    *to = UNIT[usize::from(*byte)];
                }
            }
            Pixels::F32(pixels) => to.copy_from_slice(&pixels[from..from + to.len()]),
        }
    }
}

/// value / 255 for every byte.
pub(crate) static UNIT: [f32; 256] = {
    let mut unit = [0.0; 256];
    let mut i = 0;
    while i < 256 {
        unit[i] = i as f32 / 255.0;
        i += 1;
    }
    unit
};
