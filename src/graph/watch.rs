//! What fires on the site, whoever sent the visitor.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Link,
    read::senseless,
    wire::{
        WireError, bad,
        num::{self, Loose},
    },
};
use crate::{
    domain::{Moment, PixelId},
    ports::{MetaError, Request, Transport, meta::PixelHour},
};

impl<T: Transport> Link<T> {
    pub(super) async fn read_pixel_hours(
        &self,
        pixel: &PixelId,
        since: Moment,
    ) -> Result<Vec<PixelHour>, MetaError> {
        let what = format!("read the hours of pixel {pixel}");
        let request = Request::get(self.path(&format!("{pixel}/stats")))
            .with("aggregation", "event")
            .with("start_time", since.seconds().to_string())
            .with("end_time", self.clock.now().seconds().to_string());
        let rows = self.list(&what, request, |_| None).await?;
        // The same hour can come in parts.
        let mut hours: BTreeMap<Moment, BTreeMap<String, u64>> = BTreeMap::new();
        for row in &rows {
            let (start, events) = pixel_hour(row).map_err(|e| senseless(&what, &e))?;
            let slot = hours.entry(start).or_default();
            for (event, count) in events {
                let sum = slot.entry(event).or_insert(0_u64);
                *sum = sum.saturating_add(count);
            }
        }
        Ok(hours.into_iter().map(|(start, events)| PixelHour { start, events }).collect())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HourWire {
    start_time: Loose,
    data: Vec<CountWire>,
}
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CountWire {
    value: Loose,
    event: Loose,
    count: Loose,
}

fn pixel_hour(row: &Value) -> Result<(Moment, BTreeMap<String, u64>), WireError> {
    let wire: HourWire = serde_json::from_value(row.clone()).map_err(|e| bad("pixel hour", e))?;
    let label = format!("pixel hour {}", wire.start_time.0);
    let start = wire.start_time.moment(&label, "start_time")?;
    let start = start.ok_or_else(|| bad(&label, "start_time is missing"))?;
    let mut events = BTreeMap::new();
    for entry in wire.data {
        let name = entry.event.filled().or(entry.value.filled()).unwrap_or_default().to_owned();
        let count = num::count(&entry.count.0)
            .ok_or_else(|| bad(&label, format!("{name} is not a count: {:?}", entry.count.0)))?;
        *events.entry(name).or_insert(0) += count;
    }
    Ok((start, events))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::graph::fake::{Fake, answer};

    #[tokio::test]
    async fn hours_of_a_pixel_are_summed_by_event_and_asked_for_by_range() {
        let fake: Arc<Fake> = Fake::new(|_, _| {
            Ok(answer(200, &json!({"data":[
                {"aggregation":"event","start_time":"1970-01-02T01:00:00+0000",
                 "data":[{"value":"Purchase","count":2},{"value":"AddToCart","count":"9"}]},
                {"start_time":"1970-01-02T00:00:00+0000","data":[{"value":"Purchase","count":1}]},
                {"start_time":"1970-01-02T01:00:00+0000","data":[{"value":"Purchase","count":3}]}
            ]}).to_string()))
        });
        let pixel = PixelId::new("9").unwrap();
        let hours = fake.link().read_pixel_hours(&pixel, Moment::from_millis(5_000)).await.unwrap();
        assert_eq!(hours.len(), 2);
        assert_eq!(hours[0].start.seconds(), 86_400);
        assert_eq!((hours[1].events["Purchase"], hours[1].events["AddToCart"]), (5, 9));
        let seen = fake.seen().remove(0);
        assert_eq!(seen.path, "/v26.0/9/stats");
        assert!(seen.query.contains(&("start_time".into(), "5".into())));
        let broken: Arc<Fake> = Fake::always(Ok(answer(
            200,
            r#"{"data":[{"start_time":"1970-01-02T01:00:00+0000","data":[{"value":"Purchase","count":"x"}]}]}"#,
        )));
        let error =
            broken.link().read_pixel_hours(&pixel, Moment::from_millis(0)).await.unwrap_err();
        assert!(error.to_string().ends_with("Purchase is not a count: \"x\""), "{error}");
    }
}
