//! Breakdowns: into which rows delivery is cut. It is spread evenly over the values of each.

use super::world::World;

/// The values of the breakdowns a row stands for, by breakdown.
pub(super) type Labels = Vec<(String, &'static str)>;

/// Values of the breakdowns this world can slice by; delivery is spread over them evenly.
const SLICES: [(&str, &[&str]); 10] = [
    ("age", &["25-34", "35-44", "45-54"]),
    ("gender", &["female", "male"]),
    ("publisher_platform", &["facebook", "instagram"]),
    ("platform_position", &["feed", "instagram_reels"]),
    ("device_platform", &["mobile_app", "desktop"]),
    ("impression_device", &["iphone", "android_smartphone", "desktop"]),
    ("country", &["country"]),
    ("region", &["Unknown"]),
    ("hourly_stats_aggregated_by_advertiser_time_zone", &HOURS),
    ("hourly_stats_aggregated_by_audience_time_zone", &HOURS),
];
/// The hours of a day, as hourly breakdowns name them.
const HOURS: [&str; 24] = [
    "00:00:00 - 00:59:59",
    "01:00:00 - 01:59:59",
    "02:00:00 - 02:59:59",
    "03:00:00 - 03:59:59",
    "04:00:00 - 04:59:59",
    "05:00:00 - 05:59:59",
    "06:00:00 - 06:59:59",
    "07:00:00 - 07:59:59",
    "08:00:00 - 08:59:59",
    "09:00:00 - 09:59:59",
    "10:00:00 - 10:59:59",
    "11:00:00 - 11:59:59",
    "12:00:00 - 12:59:59",
    "13:00:00 - 13:59:59",
    "14:00:00 - 14:59:59",
    "15:00:00 - 15:59:59",
    "16:00:00 - 16:59:59",
    "17:00:00 - 17:59:59",
    "18:00:00 - 18:59:59",
    "19:00:00 - 19:59:59",
    "20:00:00 - 20:59:59",
    "21:00:00 - 21:59:59",
    "22:00:00 - 22:59:59",
    "23:00:00 - 23:59:59",
];

impl World {
    /// Every combination of the values of some breakdowns; one empty combination when there are none.
    pub(super) fn breakdowns(&self, names: &[String]) -> Vec<Labels> {
        let home: [&'static str; 1] = [self.scenario.countries.first().copied().unwrap_or("US")];
        let mut all: Vec<Labels> = vec![Vec::new()];
        for name in names {
            let known = SLICES.iter().find(|(n, _)| n == name).map_or(&["unknown"][..], |(_, v)| v);
            let values: Vec<&'static str> =
                if name == "country" { home.to_vec() } else { known.to_vec() };
            all = all
                .iter()
                .flat_map(|labels| {
                    values.iter().map(|v| [labels.clone(), vec![(name.clone(), *v)]].concat())
                })
                .take(500)
                .collect();
        }
        all
    }
}
