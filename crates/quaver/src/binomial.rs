//! The exact two-sided sign test, in log space.

/// P value of seeing a split at least as uneven as `a` against `b` when each of the
/// `a + b` cases falls on either side with probability 1/2 (two-sided exact binomial test).
/// In (0, 1] down to about 1e-308, below that 0; 1 where there are no cases.
#[must_use]
pub fn sign_test(a: u64, b: u64) -> f64 {
    let n = a + b;
    let fewer = a.min(b);
    if a == b {
        return 1.0;
    }
    // Σ_{i ≤ fewer} C(n, i) relative to its last and largest term, from which
    // C(n, i-1) = C(n, i) · i / (n - i + 1) leads down.
    let (mut term, mut sum) = (1.0f64, 1.0f64);
    for i in (1..=fewer).rev() {
        term *= i as f64 / (n - i + 1) as f64;
        sum += term;
        if term < sum * 1e-18 {
            break;
        }
    }
    let log_p = ln_choose(n, fewer) + libm::log(sum) - (n - 1) as f64 * std::f64::consts::LN_2;
    libm::exp(log_p).min(1.0)
}

/// Natural logarithm of the binomial coefficient.
fn ln_choose(n: u64, k: u64) -> f64 {
    let ln_factorial = |m: u64| libm::lgamma(m as f64 + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_close(got: f64, expected: f64) {
        assert!(
            (got / expected - 1.0).abs() < 1e-10,
            "{got} is not {expected}"
        );
    }

    #[test]
    fn small_cases_are_those_counted_by_hand() {
        assert_eq!(sign_test(0, 0), 1.0);
        assert_eq!(sign_test(4, 4), 1.0);
        assert_close(sign_test(0, 5), 2.0 / 32.0);
        assert_close(sign_test(6, 1), 2.0 * (1.0 + 7.0) / 128.0);
        assert_close(sign_test(4, 5), 1.0);
    }

    #[test]
    fn large_uneven_splits_do_not_underflow_early() {
        assert_close(sign_test(1000, 0), 2f64.powi(-999));
        let p = sign_test(6_000, 5_000);
        assert!((1e-22..1e-20).contains(&p), "{p}");
    }
}
