//! How wide the dialect of the rehearsal world is: a table of words, a table of errors, the access tiers, real encodings.

#[cfg(test)]
#[path = "sandbox_cases/encodings.rs"]
mod encodings;
#[cfg(test)]
#[path = "sandbox_cases/errors.rs"]
mod errors;
#[cfg(test)]
#[path = "sandbox_cases/insights.rs"]
mod insights;
#[cfg(test)]
#[path = "sandbox_cases/objects.rs"]
mod objects;
#[cfg(test)]
#[path = "sandbox_cases/sets.rs"]
mod sets;
#[cfg(test)]
#[path = "sandbox_cases/support.rs"]
mod support;
#[cfg(test)]
#[path = "sandbox_cases/tiers.rs"]
mod tiers;

/// One word of the dialect and what shows that the world knows it.
type Row = (&'static str, fn());

/// Every word is tried, whatever happens to the others.
#[test]
fn the_world_knows_every_word_of_the_dialect() {
    let rows: Vec<Row> = [insights::ROWS, objects::ROWS, sets::ROWS].concat();
    let mut missing = Vec::new();
    for (word, shows) in &rows {
        if std::panic::catch_unwind(shows).is_err() {
            missing.push(*word);
        }
    }
    eprintln!("dialect: {} of {} words known", rows.len() - missing.len(), rows.len());
    assert!(missing.is_empty(), "missing: {missing:?}");
}
