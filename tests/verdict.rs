//! The decision kernel against figures computed elsewhere, and against its own promises.

use rungwise::domain::verdict::{Exposure, Prior, RatioPosterior};

/// Sixty cases with their answers at 40 digits of working precision.
const GOLDEN: &str = include_str!("data/golden_ratio.csv");

#[test]
fn the_ratio_posterior_agrees_with_forty_digit_arithmetic() {
    let mut reader = csv::Reader::from_reader(GOLDEN.as_bytes());
    let mut rows = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let v: Vec<f64> = record.iter().map(|f| f.parse().unwrap_or(f64::NAN)).collect();
        let prior = Prior { strength: v[4], centre: 0.0 };
        let p =
            RatioPosterior::new(Exposure::new(v[0], v[1]), Exposure::new(v[2], v[3]), prior, v[5])
                .unwrap();
        let near = |got: f64, want: f64, what: &str| {
            let scale = want.abs().max(1.0);
            assert!((got - want).abs() <= 1e-10 * scale, "{what} of {record:?}: {got} ≠ {want}");
        };
        near(p.probability_at_most(1.1), v[6], "P(r ≤ 1.10)");
        near(p.probability_at_most(1.0), v[7], "P(r ≤ 1)");
        match p.expected_excess(1.0) {
            Some(excess) => near(excess, v[8], "E[(r−1)+]"),
            None => assert!(v[8].is_nan(), "the mean exists in {record:?}"),
        }
        near(p.quantile(0.05), v[9], "5 % quantile");
        near(p.quantile(0.5), v[10], "median");
        near(p.quantile(0.95), v[11], "95 % quantile");
        rows += 1;
    }
    assert_eq!(rows, 60);
}
