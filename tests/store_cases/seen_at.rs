//! Insights and trees keep their versions; coverage tells what was read.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rungwise::{
    domain::{AccountId, ActionCount, DayRange, InsightRow, SeenRow},
    ports::{
        Record, Store as _, StoreError,
        store::{CoverageRow, SavedInsights},
    },
};

use super::support::*;

fn january() -> DayRange {
    days("2026-01-01", "2026-01-31")
}
fn saved(new: u64, restated: u64, unchanged: u64) -> SavedInsights {
    SavedInsights { new, restated, unchanged }
}

#[tokio::test]
async fn a_restated_row_is_another_version_and_the_old_one_is_still_seen_as_of_then() {
    let world = World::new().await;
    let store = &world.store;
    let first = [insight("2026-01-02", "11", 3), insight("2026-01-01", "12", 1)];
    let second = [insight("2026-01-02", "11", 5), insight("2026-01-01", "12", 1)];
    let save = |rows: Vec<InsightRow>, ms| async move {
        store.save_insights(&account(), january(), &rows, at(ms)).await.unwrap()
    };
    assert_eq!(save(first.to_vec(), 100).await, saved(2, 0, 0));
    assert_eq!(save(second.to_vec(), 200).await, saved(0, 1, 1));
    assert_eq!(save(second.to_vec(), 300).await, saved(0, 0, 2));
    // Back to what it was before is news as well.
    assert_eq!(save(first.to_vec(), 400).await, saved(0, 1, 1));

    for (as_of, purchases) in
        [(Some(100), 3), (Some(199), 3), (Some(200), 5), (Some(399), 5), (None, 3)]
    {
        let seen = store.insights(&account(), &[], january(), as_of.map(at)).await.unwrap();
        let told: Vec<_> =
            seen.iter().map(|s| (s.row.adset.as_str(), s.row.count("purchase"))).collect();
        assert_eq!(told, [("12", 1), ("11", purchases)], "as of {as_of:?}");
    }
    assert!(store.insights(&account(), &[], january(), Some(at(99))).await.unwrap().is_empty());
    let now = store.insights(&account(), &[], january(), None).await.unwrap();
    assert_eq!(now[1].seen_at, at(400));
    assert_eq!(now[1].row, first[0], "every field comes back");
}

#[tokio::test]
async fn a_change_of_any_field_is_a_new_version() {
    let world = World::new().await;
    let base = insight("2026-01-02", "11", 3);
    let mut changes: Vec<InsightRow> = Vec::new();
    let mut change = |f: &dyn Fn(&mut InsightRow)| {
        let mut row = base.clone();
        f(&mut row);
        changes.push(row);
    };
    change(&|r| r.campaign = campaign("71"));
    change(&|r| r.spend = eur(1_235));
    change(&|r| r.spend = "12.34 USD".parse().unwrap());
    change(&|r| r.impressions += 1);
    change(&|r| r.link_clicks += 1);
    change(&|r| r.attribution = "1d_click".into());
    change(&|r| r.values = [("purchase", 1)].into_iter().collect());
    change(&|r| r.actions.get_mut("purchase").unwrap().value += 1);
    change(&|r| r.actions.get_mut("purchase").unwrap().windows.clear());
    let mut now = 0;
    for row in changes {
        for (row, what) in [(&base, "base"), (&row, "changed")] {
            now += 1;
            let rows = std::slice::from_ref(row);
            let got =
                world.store.save_insights(&account(), january(), rows, at(now)).await.unwrap();
            assert_eq!(got.unchanged, 0, "{what} {row:?}");
            let seen = world.store.insights(&account(), &[], january(), None).await.unwrap();
            assert_eq!(seen[0].row, *row);
        }
    }
}

#[tokio::test]
async fn campaigns_days_and_accounts_select() {
    let world = World::new().await;
    let store = &world.store;
    let mut rows = vec![insight("2026-01-01", "11", 1), insight("2026-01-03", "11", 1)];
    rows.extend(["71", "72"].map(|c| InsightRow {
        campaign: campaign(c),
        ..insight("2026-01-02", &format!("{c}1"), 2)
    }));
    store.save_insights(&account(), january(), &rows, at(1)).await.unwrap();
    let other = AccountId::new("2").unwrap();
    assert!(store.insights(&other, &[], january(), None).await.unwrap().is_empty());
    let of = |campaigns: Vec<&str>, range| {
        let campaigns: Vec<_> = campaigns.into_iter().map(campaign).collect();
        async move {
            let seen = store.insights(&account(), &campaigns, range, None).await.unwrap();
            seen.iter().map(|s| format!("{} {}", s.row.day, s.row.adset)).collect::<Vec<_>>()
        }
    };
    assert_eq!(of(vec!["71"], january()).await, ["2026-01-02 711"]);
    assert_eq!(
        of(vec!["72", "70"], january()).await,
        ["2026-01-01 11", "2026-01-02 721", "2026-01-03 11"]
    );
    let second = days("2026-01-02", "2026-01-03");
    assert_eq!(of(vec![], second).await, ["2026-01-02 711", "2026-01-02 721", "2026-01-03 11"]);
    assert!(of(vec!["73"], january()).await.is_empty());
}

#[tokio::test]
async fn a_stream_over_many_pages_sees_each_row_once_and_in_order() {
    let world = World::new().await;
    let days: Vec<String> = (1..=28).map(|d| format!("2026-01-{d:02}")).collect();
    let rows: Vec<InsightRow> =
        days.iter().flat_map(|d| (100..200).map(move |s| insight(d, &s.to_string(), 1))).collect();
    world.store.save_insights(&account(), january(), &rows, at(1)).await.unwrap();
    let again = world.store.save_insights(&account(), january(), &rows, at(2)).await.unwrap();
    assert_eq!(again, saved(0, 0, 2_800));
    let mut seen = Vec::new();
    world.store.insights_each(&[], january(), None, |s| seen.push(s.row)).await.unwrap();
    assert_eq!(seen, rows);
}

#[tokio::test]
async fn a_read_of_some_action_types_leaves_out_the_others_and_nothing_else() {
    let world = World::new().await;
    let mut row = insight("2026-01-05", "7", 100);
    for (n, name) in ["landing_page_view", "offsite_conversion.fb_pixel_purchase", "purchase"]
        .into_iter()
        .enumerate()
    {
        let windows = [("1d_click", n as u64 + 1)].into_iter().collect();
        row.actions.insert(name, ActionCount { value: n as u64 + 2, windows });
        row.values.insert(name, 10);
    }
    world.store.save_insights(&account(), january(), &[row.clone()], at(1)).await.unwrap();
    for wanted in [&[][..], &["purchase"], &["purchase", "landing_page_view", "nobody"]] {
        let names: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let got = world.store.insights_counting(&account(), &[], january(), None, &names).await;
        let mut expected = row.clone();
        let known = |name: &str| wanted.contains(&name);
        let kept = row.actions.iter().filter(|(name, _)| known(name));
        expected.actions = kept.map(|(name, count)| (name, count.clone())).collect();
        let kept = row.values.iter().filter(|(name, _)| known(name));
        expected.values = kept.map(|(name, minor)| (name, *minor)).collect();
        assert_eq!(got.unwrap(), [SeenRow { seen_at: at(1), row: expected }], "{wanted:?}");
    }
}

#[tokio::test]
async fn coverage_tells_no_delivery_from_not_fetched() {
    let world = World::new().await;
    let store = &world.store;
    let (a, b) = (days("2026-01-01", "2026-01-10"), days("2026-01-08", "2026-01-20"));
    store.save_insights(&account(), b, &[], at(20)).await.unwrap();
    store.save_insights(&account(), a, &[], at(10)).await.unwrap();
    let row = |range, ms| CoverageRow { range, fetched_at: at(ms) };
    assert_eq!(
        store.coverage(&account(), january(), None).await.unwrap(),
        [row(a, 10), row(b, 20)]
    );
    assert_eq!(store.coverage(&account(), january(), Some(at(19))).await.unwrap(), [row(a, 10)]);
    let late = days("2026-01-11", "2026-01-11");
    assert_eq!(store.coverage(&account(), late, None).await.unwrap(), [row(b, 20)]);
    let never = days("2026-01-21", "2026-02-21");
    assert!(store.coverage(&account(), never, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn rows_outside_the_days_read_or_given_twice_are_refused_whole() {
    let world = World::new().await;
    let stray = [insight("2026-01-02", "11", 1), insight("2026-02-01", "11", 1)];
    let twice = [insight("2026-01-02", "11", 1), insight("2026-01-02", "11", 2)];
    for rows in [stray, twice] {
        assert!(world.store.save_insights(&account(), january(), &rows, at(1)).await.is_err());
    }
    assert!(world.store.insights(&account(), &[], january(), None).await.unwrap().is_empty());
    assert!(world.store.coverage(&account(), january(), None).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_changed_row_that_claims_to_be_older_than_what_is_known_is_refused() {
    let world = World::new().await;
    let save = |purchases, ms| {
        let rows = [insight("2026-01-02", "11", purchases)];
        let store = &world.store;
        async move { store.save_insights(&account(), january(), &rows, at(ms)).await }
    };
    save(1, 100).await.unwrap();
    assert_eq!(save(1, 90).await.unwrap(), saved(0, 0, 1));
    let error = save(2, 100).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Conflict { what, .. } if what.contains("ad set 11")),
        "{error}"
    );
    save(2, 101).await.unwrap();
}

/// Many reads of changing rows, against the plain rule: the last version seen at or before the instant.
#[tokio::test]
async fn random_restatements_read_back_as_a_plain_model_says() {
    let world = World::new().await;
    let mut random = rand_pcg::Pcg64::seed_from_u64(7);
    let mut model: Vec<(i64, InsightRow)> = Vec::new();
    for ms in 1..=60 {
        let mut rows = Vec::new();
        for day in 1..=4 {
            for adset in ["11", "12", "13"] {
                if random.random_bool(0.6) {
                    rows.push(insight(
                        &format!("2026-01-0{day}"),
                        adset,
                        random.random_range(0..3),
                    ));
                }
            }
        }
        world.store.save_insights(&account(), january(), &rows, at(ms)).await.unwrap();
        model.extend(rows.into_iter().map(|row| (ms, row)));
    }
    for as_of in (0..=60).step_by(7) {
        let mut newest: BTreeMap<_, &InsightRow> = BTreeMap::new();
        for (_, row) in model.iter().filter(|(ms, _)| *ms <= as_of) {
            newest.insert((row.day, row.adset.clone()), row);
        }
        let seen = world.store.insights(&account(), &[], january(), Some(at(as_of))).await.unwrap();
        assert!(seen.iter().all(|s| s.seen_at <= at(as_of)));
        assert_eq!(
            seen.iter().map(|s| &s.row).collect::<Vec<_>>(),
            newest.into_values().collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn a_tree_gets_a_version_only_when_it_changed_but_the_last_look_is_remembered() {
    let world = World::new().await;
    let versions = || async {
        let mut raw = world.raw().await;
        let n: i64 =
            sqlx::query_scalar("select count(*) from trees").fetch_one(&mut raw).await.unwrap();
        n
    };
    for (ms, name, count) in [(1, "A", 1), (2, "A", 1), (3, "B", 2), (4, "A", 3), (9, "A", 3)] {
        let seen = tree(at(ms), name);
        world.store.commit(vec![Record::Tree(Box::new(seen.clone()))]).await.unwrap();
        assert_eq!(versions().await, count, "{ms}");
        assert_eq!(world.store.tree(&campaign("70")).await.unwrap(), Some(seen.clone()));
        assert_eq!(world.store.trees().await.unwrap(), [seen]);
    }
}
