//! Layers that imported networks have: each output is a sum of slopes times inputs, and a
//! constant.

use quaver_nn::op::{Affine, AveragePool2d, Function, GroupedConv2d, Op, Pointwise, Rearrange};

/// `out[i] = constant[i] + Σ slope · x[j]` over the terms `(j, slope)` of i.
pub(super) struct Terms {
    constant: Vec<f64>,
    slopes: Vec<Vec<(usize, f64)>>,
}

impl Terms {
    pub(super) fn apply(&self, x: &[f64]) -> Vec<f64> {
        let each = self.constant.iter().zip(&self.slopes);
        each.map(|(c, terms)| c + terms.iter().map(|&(j, s)| s * x[j]).sum::<f64>())
            .collect()
    }

    pub(super) fn pull(&self, u: &[f64], n: usize) -> Vec<f64> {
        let mut dx = vec![0.0; n];
        for (u, terms) in u.iter().zip(&self.slopes) {
            terms.iter().for_each(|&(j, s)| dx[j] += s * u);
        }
        dx
    }
}

/// The terms of `op` around `x`, if it is one of these.
pub(super) fn terms(op: &dyn Op, input: &[usize], output: &[usize], x: &[f64]) -> Option<Terms> {
    let any = op.as_any();
    if let Some(op) = any.downcast_ref::<Affine>() {
        let positions: usize = input[1..].iter().product();
        let of = |values: &[f64], i: usize| values[(i / positions) % values.len()];
        return Some(Terms {
            constant: (0..x.len()).map(|i| of(&op.shift, i)).collect(),
            slopes: (0..x.len()).map(|i| vec![(i, of(&op.scale, i))]).collect(),
        });
    }
    if let Some(op) = any.downcast_ref::<Pointwise>() {
        let lines = x.iter().map(|&x| line(op.function, x));
        let (constant, slopes): (Vec<f64>, Vec<f64>) = lines.unzip();
        let slopes = slopes.into_iter().enumerate().map(|term| vec![term]);
        return Some(Terms {
            constant,
            slopes: slopes.collect(),
        });
    }
    if let Some(op) = any.downcast_ref::<Rearrange>() {
        // The place of an element has a digit for each axis, the last one the lowest.
        let place = |mut element: usize| -> usize {
            let digits = op.axes.iter().rev().map(|[n, apart]| {
                let digit = element % n;
                element /= n;
                digit * apart
            });
            digits.sum()
        };
        return Some(Terms {
            constant: vec![0.0; x.len()],
            slopes: (0..x.len()).map(|i| vec![(place(i), 1.0)]).collect(),
        });
    }
    let op = any.downcast_ref::<AveragePool2d>()?;
    let ([height, width], [rows, columns]) = ([input[1], input[2]], [output[1], output[2]]);
    let mut slopes = Vec::new();
    for place in 0..output.iter().product() {
        let (plane, row, column) = (
            place / (rows * columns),
            place / columns % rows,
            place % columns,
        );
        let mut inside = Vec::new();
        for k in 0..op.kernel[0] * op.kernel[1] {
            let y = (row * op.stride[0] + k / op.kernel[1]).wrapping_sub(op.padding[2]);
            let x = (column * op.stride[1] + k % op.kernel[1]).wrapping_sub(op.padding[0]);
            if y < height && x < width {
                inside.push((plane * height + y) * width + x);
            }
        }
        let all = op.kernel[0] * op.kernel[1];
        let count = if op.count_padding {
            all
        } else {
            inside.len().max(1)
        };
        slopes.push(
            inside
                .into_iter()
                .map(|j| (j, 1.0 / count as f64))
                .collect(),
        );
    }
    Some(Terms {
        constant: vec![0.0; slopes.len()],
        slopes,
    })
}

/// The tangent of a function at x: constant and slope.
fn line(function: Function, x: f64) -> (f64, f64) {
    let (value, slope) = match function {
        Function::LeakyRelu { slope } if x <= 0.0 => (slope * x, slope),
        Function::LeakyRelu { .. } => (x, 1.0),
        Function::Sigmoid => {
            let s = 1.0 / (1.0 + (-x).exp());
            (s, s * (1.0 - s))
        }
        Function::Tanh => (x.tanh(), 1.0 - x.tanh().powi(2)),
        Function::Clip { min, max } => (
            x.clamp(min, max),
            f64::from(u8::from((min..=max).contains(&x))),
        ),
    };
    (value - slope * x, slope)
}

/// Calls `product(output, input, weight)` for each product behind the outputs that are `wanted`.
pub(super) fn products(
    op: &GroupedConv2d,
    input: &[usize],
    output: &[usize],
    wanted: impl Fn(usize) -> bool,
    mut product: impl FnMut(usize, usize, usize),
) {
    let ([_, height, width], [outputs, rows, columns]) = (input, output) else {
        return;
    };
    let channels = op.in_channels / op.groups;
    let [kh, kw] = op.kernel;
    for place in (0..outputs * rows * columns).filter(|&place| wanted(place)) {
        let (o, row, column) = (
            place / (rows * columns),
            place / columns % rows,
            place % columns,
        );
        let first = o / (op.out_channels / op.groups) * channels;
        for k in 0..channels * kh * kw {
            let (c, ky, kx) = (k / (kh * kw), k / kw % kh, k % kw);
            let y = row * op.stride[0] + ky * op.dilation[0];
            let x = column * op.stride[1] + kx * op.dilation[1];
            let input = ((first + c) * height + y) * width + x;
            product(place, input, o * channels * kh * kw + k);
        }
    }
}
