//! Files as people have them, and what the offline commands make of them.

use std::fmt::Write as _;

use clap::Parser;
use rungwise::{
    cli::{Args, Command, advise, compare},
    domain::Day,
    exports::{Event, ExportError, Table, read},
};
use serde_json::Value;

const GERMAN: &[u8] = include_bytes!("data/de_semicolon.csv");
const ROWS: &[u8] = include_bytes!("data/insights_rows.json");

fn table(text: &str) -> Table {
    read("file.csv", text.as_bytes()).expect("a readable file")
}

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

#[test]
fn a_german_export_is_read_with_its_commas_totals_row_and_gap() {
    let t = read("juni.csv", GERMAN).unwrap();
    let totals = t.totals();
    assert_eq!(t.currency.unwrap().as_str(), "EUR");
    assert_eq!(totals.spend.major(t.currency), "3223.75");
    assert_eq!((totals.count(Event::Purchase), totals.count(Event::AddToCart)), (21, 1089));
    assert_eq!(totals.days, 3);
    let [gap] = t.gaps.as_slice() else { panic!("one gap expected: {:?}", t.gaps) };
    assert_eq!((gap.day, gap.line), (Some(day("2026-06-03")), 4));
    assert!(t.notes.iter().any(|n| n.contains("totals row")), "{:?}", t.notes);
    assert_eq!(t.arm_name(), "Sommer – Käufe");
}

#[test]
fn the_same_export_reads_the_same_in_every_packaging() {
    let plain = String::from_utf8(GERMAN.to_vec()).unwrap();
    let want = read("x", GERMAN).unwrap();
    let crlf = plain.replace('\n', "\r\n");
    let bom = format!("\u{feff}{crlf}");
    let tabs = plain.replace(';', "\t");
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(plain.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for bytes in [crlf.as_bytes(), bom.as_bytes(), tabs.as_bytes(), utf16.as_slice()] {
        assert_eq!(read("x", bytes).unwrap(), want);
    }
}

#[test]
fn insights_rows_count_each_event_once_under_one_name() {
    let t = read("rows.json", ROWS).unwrap();
    let totals = t.totals();
    assert_eq!((totals.count(Event::AddToCart), totals.count(Event::Purchase)), (8, 2));
    assert_eq!(totals.spend.major(t.currency), "150.01", "rounded once, after adding");
    assert_eq!(totals.value.major(t.currency), "181.50");
    assert_eq!(t.gaps[0].day, Some(day("2026-09-03")));
    assert!(t.notes[0].contains("omni_purchase differs"), "{:?}", t.notes);
    let rows: Value = serde_json::from_slice(ROWS).unwrap();
    let rows = rows["data"].as_array().unwrap();
    let lines = rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    assert_eq!(read("rows.json", lines.as_bytes()).unwrap(), t, "JSON lines read alike");
}

#[test]
fn results_count_only_what_their_indicator_names() {
    let t = table(
        "Campaign name,Reporting starts,Reporting ends,Amount spent (USD),Results,Result indicator\n\
         A,2026-05-01,2026-05-01,10.00,3,actions:offsite_conversion.fb_pixel_purchase\n\
         B,2026-05-01,2026-05-01,10.00,900,actions:link_click\n",
    );
    assert_eq!(t.totals().count(Event::Purchase), 3);
    let clicks = table(
        "Campaign name,Amount spent (USD),Results,Result indicator\nA,10.00,900,actions:link_click\n",
    );
    let error = clicks.macro_event().unwrap_err();
    assert!(error.to_string().starts_with("file.csv has no purchase column (found: Campaign name"));
    assert!(error.hint().contains("Result indicator"));
}

#[test]
fn a_purchase_column_is_not_added_to_its_website_twin() {
    let t = table("Day,Spend [USD],Website purchases,Purchases\n2026-05-01,10,4,5\n");
    assert_eq!(t.totals().count(Event::Purchase), 5);
    assert!(t.notes[0].contains("Website purchases"));
}

#[test]
fn purchases_without_spend_and_spend_without_purchases_are_kept() {
    let t = table("ad_id,Impressions,Spent,Approved_Conversion\n1,500,0,1\n2,700,1.429999948,0\n");
    assert_eq!(t.totals().count(Event::Purchase), 1);
    assert_eq!(t.totals().spend.major(None), "1.43");
}

#[test]
fn unusable_files_are_named_with_what_was_found() {
    let error = |text: &str| read("my.csv", text.as_bytes()).unwrap_err();
    assert_eq!(error(" \n"), ExportError::Empty { file: "my.csv".into() });
    let none = error("Day,Clicks\n2026-05-01,4\n");
    assert_eq!(none.to_string(), "my.csv has no spend column (found: Day, Clicks)");
    assert!(matches!(error("Day,Spend,Purchases\n"), ExportError::NoRows { .. }));
    assert_eq!(
        error("Day,Spend,Purchases\n2026-05-01,12,3\nyesterday,12,3\n").to_string(),
        "my.csv line 3: \"yesterday\" in column \"Day\" is not a date"
    );
    assert_eq!(
        error("Day,Spend,Purchases\n2026-05-01,a lot,3\n").to_string(),
        "my.csv line 2: \"a lot\" in column \"Spend\" is not a number"
    );
    assert!(matches!(error("{\"error\":{\"code\":190}}"), ExportError::Broken { .. }));
    assert!(matches!(
        error("Day,Spend,Currency,Purchases\n2026-05-01,1,EUR,1\n2026-05-02,1,USD,1\n"),
        ExportError::Currencies { .. }
    ));
}

/// Runs a command line; the text it prints, or its error with the hint.
fn run(line: &[&str]) -> Result<String, String> {
    let args = Args::try_parse_from(std::iter::once("rungwise").chain(line.iter().copied()))
        .map_err(|e| e.to_string())?;
    let mut out = Vec::new();
    match args.command {
        Command::Compare(mut compare) => {
            compare.json = args.json;
            compare::run(&compare, &mut out).map_err(|e| format!("{e}\nhint: {}", e.hint()))?;
        }
        Command::Advise(mut advise) => {
            advise.json = args.json;
            advise::run(&advise, &mut out).map_err(|e| format!("{e}\nhint: {}", e.hint()))?;
        }
        other => return Err(format!("{other:?} is not an offline command")),
    }
    Ok(String::from_utf8(out).expect("text"))
}

fn json(line: &[&str]) -> Value {
    serde_json::from_str(&run(line).expect("a result")).expect("JSON")
}

/// Writes `days` days of a campaign; purchases by day of the list, repeated.
fn campaign(
    dir: &tempfile::TempDir,
    name: &str,
    first: &str,
    days: i64,
    purchases: &[u32],
) -> String {
    let mut text =
        "Campaign name,Day,Amount spent (EUR),Impressions,Adds to cart,Purchases\n".to_owned();
    for (n, bought) in (0..days).zip(purchases.iter().cycle()) {
        let date = day(first).plus(n);
        writeln!(text, "{name},{date},100.00,5000,{},{bought}", bought * 4).expect("text grows");
    }
    let path = dir.path().join(format!("{name}.csv"));
    std::fs::write(&path, text).expect("writable");
    path.to_string_lossy().into_owned()
}

#[test]
fn bare_counts_give_the_figures_of_the_posterior() {
    let r = json(&[
        "compare",
        "--counts",
        "20:800",
        "26:900",
        "--prior",
        "20",
        "--dispersion",
        "1.5",
        "--json",
    ]);
    let near = |key: &str, want: f64| {
        let got = r[key].as_f64().unwrap();
        assert!((got - want).abs() < 1e-12, "{key}: {got} ≠ {want}");
    };
    near("p_not_worse", 0.746_671_844_285_153_9);
    near("p_better", 0.604_494_086_323_116_7);
    near("expected_excess", 0.077_421_323_157_943_7);
    near("q50", 0.938_623_633_728_425);
    assert_eq!(r["verdict"], "inconclusive", "bare figures name no days");
    assert!(run(&["compare", "--counts", "20", "26:900"]).unwrap_err().contains("PURCHASES:SPEND"));
    assert!(run(&["compare", "--counts", "0:0", "0:0"]).unwrap_err().contains("has any spend"));
}

#[test]
fn a_clear_winner_is_promoted_and_its_mirror_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let old = campaign(&dir, "old", "2026-05-01", 28, &[3, 2, 4]);
    let new = campaign(&dir, "new", "2026-05-01", 28, &[9, 8, 10]);
    assert_eq!(json(&["compare", &old, &new, "--json"])["verdict"], "promote");
    assert_eq!(json(&["compare", &new, &old, "--json"])["verdict"], "stay");
    let equal = json(&["compare", &old, &old, "--json"]);
    assert_eq!(equal["verdict"], "extend");
    assert_eq!(equal["arms"][0]["spend"], "2800.00");
    assert_eq!(equal["currency"], "EUR");
    let text = run(&["compare", &old, &new]).unwrap();
    assert!(text.starts_with("Promote: new is not dearer than old."), "{text}");
}

#[test]
fn a_gap_leaves_its_day_out_of_both_arms() {
    let dir = tempfile::tempdir().unwrap();
    let old = campaign(&dir, "old", "2026-05-01", 20, &[3]);
    let new = campaign(&dir, "new", "2026-05-01", 20, &[3]);
    let holed = std::fs::read_to_string(&old)
        .unwrap()
        .replace("2026-05-05,100.00,5000,12,3", "2026-05-05,77.00,,,");
    std::fs::write(&old, holed).unwrap();
    let r = json(&["compare", &old, &new, "--json"]);
    assert_eq!(r["gaps"][0]["day"], "2026-05-05");
    assert_eq!(r["gaps"][0]["spend"], "77.00");
    assert_eq!((&r["arms"][0]["days"], &r["arms"][1]["days"]), (&19.into(), &20.into()));
    assert_eq!(r["paired"]["days"], 19);
    assert_eq!(r["paired"]["arms"][1]["spend"], "1900.00");
    assert!(run(&["compare", &old, &new]).unwrap().contains("2026-05-05"));
}

#[test]
fn a_challenger_that_started_later_is_judged_after_its_learning_days() {
    let dir = tempfile::tempdir().unwrap();
    let old = campaign(&dir, "old", "2026-05-01", 50, &[4]);
    let new = campaign(&dir, "new", "2026-05-21", 30, &[4]);
    let r = json(&["compare", &old, &new, "--json"]);
    assert_eq!((&r["paired"]["days"], &r["paired"]["decision_days"]), (&30.into(), &23.into()));
    assert!(r["notes"][0].as_str().unwrap().contains("first 7 days"));
}

#[test]
fn totals_and_short_files_end_inconclusive_whatever_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, row: &str| {
        let path = dir.path().join(name);
        let head = "Campaign name,Reporting starts,Reporting ends,Amount spent (EUR),Purchases";
        std::fs::write(&path, format!("{head}\n{row}\n")).unwrap();
        path.to_string_lossy().into_owned()
    };
    let bad = write("bad.csv", "bad,2026-05-01,2026-05-30,9000.00,100");
    let good = write("good.csv", "good,2026-05-01,2026-05-30,9000.00,900");
    let r = json(&["compare", &bad, &good, "--json"]);
    assert_eq!((&r["verdict"], &r["paired"]), (&"inconclusive".into(), &Value::Null));
    let none = write("none.csv", "none,2026-05-01,2026-05-30,9000.00,0");
    let r = json(&["compare", &bad, &none, "--json"]);
    assert_eq!((&r["arms"][1]["cpa"], &r["ratio"]), (&Value::Null, &Value::Null));
    let old = campaign(&dir, "old", "2026-05-01", 13, &[3]);
    let new = campaign(&dir, "new", "2026-05-01", 13, &[30]);
    assert_eq!(json(&["compare", &old, &new, "--json"])["verdict"], "inconclusive");
    assert_eq!(
        json(&["compare", &old, &new, "--json", "--rule", "article"])["verdict"],
        "inconclusive"
    );
}

#[test]
fn advice_names_a_rung_with_the_figures_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let shop = campaign(&dir, "shop", "2026-05-01", 42, &[3, 2, 4, 3, 2, 5, 2]);
    let r = json(&["advise", &shop, "--json"]);
    assert_eq!((&r["rung"], &r["basis"]), (&"add_to_cart".into(), &"days".into()));
    let cart = &r["rungs"][0];
    assert_eq!(cart["key"], "add_to_cart");
    assert!(cart["p_enough"].as_f64().unwrap() > 0.9, "84 carts a week");
    assert!(r["rungs"][1]["p_enough"].as_f64().unwrap() < 0.5, "21 purchases a week");
    assert_eq!(cart["macro_rate"]["observed"], 0.25);
    assert_eq!(r["friction"]["flagged"], false);
    let text = run(&["advise", &shop]).unwrap();
    assert!(text.starts_with("Optimise for AddToCart"), "{text}");
    let missing = run(&["advise", "/nowhere.csv"]).unwrap_err();
    assert!(missing.starts_with("/nowhere.csv cannot be opened") && missing.contains("hint: "));
}

#[test]
fn one_campaign_of_a_file_can_be_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.csv");
    std::fs::write(&path, "Campaign name,Spend EUR,Purchases\nA,100,4\nB,90,5\n").unwrap();
    let path = path.to_string_lossy();
    let r = json(&["compare", &format!("{path}#A"), &format!("{path}#B"), "--json"]);
    assert_eq!((&r["arms"][0]["name"], &r["arms"][1]["cpa"]), (&"A".into(), &"18.00".into()));
    let error = run(&["compare", &format!("{path}#A"), &format!("{path}#C")]).unwrap_err();
    assert!(error.contains("no campaign \"C\" (it has: A, B)"), "{error}");
}
