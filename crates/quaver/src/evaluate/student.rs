//! Student's t distribution, for means over a few seeds.

/// Probability that t with `df` degrees of freedom exceeds `t`; `df` above 0.
pub(super) fn upper_tail(t: f64, df: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(df / (df + t * t), df / 2.0, 0.5);
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The 97.5 % quantile of t with `df` degrees of freedom, at least 1, by bisection.
pub(super) fn quantile_975(df: f64) -> f64 {
    // At one degree of freedom it is 12.71, at infinitely many 1.96.
    let (mut low, mut high) = (1.0, 16.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle, df) > 0.025 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Regularized incomplete beta function by its continued fraction, evaluated with Lentz's
/// method (Lentz, "Generating Bessel functions in Mie scattering calculations", 1976).
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean; above, the symmetric one does.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let ln_beta = libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let front = libm::exp(a * libm::log(x) + b * libm::log1p(-x) - ln_beta) / a;
    front * beta_fraction(x, a, b)
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut fraction) = (1.0, d);
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy 1.17.1, `stats.t.sf` and `stats.t.ppf`.
    #[test]
    fn tails_and_quantiles_are_scipys() {
        for (t, df, expected) in [
            (2.776, 4.0, 0.025_011_389_159_988_21),
            (2.0, 4.0, 0.058_058_261_758_407_78),
            (-1.5, 9.0, 0.916_074_671_971_462_5),
            (3.0, 1.0, 0.102_416_382_349_566_72),
            (0.5, 30.0, 0.310_361_502_442_563_6),
            (0.0, 3.0, 0.5),
        ] {
            let got = upper_tail(t, df);
            assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
        }
        for (df, expected) in [
            (1.0, 12.706_204_736_174_694),
            (2.0, 4.302_652_729_749_462),
            (4.0, 2.776_445_105_197_793_4),
            (30.0, 2.042_272_456_301_237_8),
        ] {
            let got = quantile_975(df);
            assert!((got - expected).abs() < 1e-10, "{got} is not {expected}");
        }
    }
}
