//! Means and deviations over the seeds of one topology.

use super::super::results::{
    AcrossSeeds, Estimate, HonestMoments, InputMoments, InputResults, Moments, Rate, SeedResults,
};

/// `None` wherever one seed has no number.
fn over<T>(items: &[T], value: impl Fn(&T) -> Option<f64>) -> Option<Moments> {
    let values: Option<Vec<f64>> = items.iter().map(value).collect();
    Moments::of(&values?)
}

fn rate(rate: Option<Rate>) -> Option<f64> {
    rate.map(|rate| rate.value)
}

fn estimate(estimate: Option<Estimate>) -> Option<f64> {
    estimate.map(|estimate| estimate.value)
}

/// All networks have the same inputs and columns in the same order.
pub(super) fn seeds(networks: &[SeedResults]) -> AcrossSeeds {
    let inputs = networks.first().map_or(0, |first| first.inputs.len());
    let columns = networks.first().map(|first| first.honest.as_slice());
    let columns = columns.unwrap_or_default().iter().enumerate();
    AcrossSeeds {
        test_accuracy: over(networks, |network| rate(network.test_accuracy)),
        test_voted: over(networks, |network| rate(network.test_voted)),
        inputs: (0..inputs).map(|place| input(networks, place)).collect(),
        honest: columns
            .map(|(place, cell)| HonestMoments {
                column: cell.column.clone(),
                accuracy: over(networks, |network| rate(network.honest[place].accuracy)),
            })
            .collect(),
    }
}

fn input(networks: &[SeedResults], place: usize) -> InputMoments {
    let inputs: Vec<&InputResults> = networks.iter().map(|n| &n.inputs[place]).collect();
    let spread = |value: fn(&quaver::evaluate::spread::Spread) -> f64| {
        over(&inputs, |input| input.uncertainty.as_ref().map(value))
    };
    let detection = |input: &&InputResults| input.detection.clone();
    InputMoments {
        input: inputs[0].input.clone(),
        single: over(&inputs, |input| rate(input.single)),
        multi: over(&inputs, |input| rate(input.multi)),
        mean_single: over(&inputs, |input| estimate(input.mean_single)),
        uncertainty_mean: spread(|spread| spread.mean),
        uncertainty_variance: spread(|spread| spread.variance),
        detector_paper: over(&inputs, |input| rate(detection(input)?.paper?.all.accuracy)),
        detector_honest: over(&inputs, |input| {
            rate(detection(input)?.honest?.all.accuracy)
        }),
        auroc: over(&inputs, |input| {
            estimate(detection(input)?.honest?.all.auroc)
        }),
    }
}
