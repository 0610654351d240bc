//! The watches of kube-runtime: as a list and a watch, as a streaming list, over a restart, and a cache of them.

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use serde_json::{from_value, json};

use crate::{Outcome, Place, restart, soon};

fn config_map(name: &str, value: &str) -> Outcome<ConfigMap> {
    Ok(from_value(
        json!({"metadata": {"name": name, "labels": {"mine": "yes"}}, "data": {"k": value}}),
    )?)
}

/// Say what an event is in a word and a name.
fn told(event: &Event<ConfigMap>) -> (&'static str, String) {
    match event {
        Event::Init => ("init", String::new()),
        Event::InitApply(object) => ("present", object.name_any()),
        Event::InitDone => ("present", String::new()),
        Event::Apply(object) => ("applied", object.name_any()),
        Event::Delete(object) => ("deleted", object.name_any()),
    }
}

async fn follow(place: Place, config: Config) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(place.client, &place.namespace);
    maps.create(&PostParams::default(), &config_map("one", "1")?)
        .await?;
    let events = watcher(maps.clone(), config.labels("mine")).default_backoff();
    pin_mut!(events);
    for expected in [("init", ""), ("present", "one"), ("present", "")] {
        let event = soon("the first events", events.try_next()).await??.unwrap();
        assert_eq!(told(&event), (expected.0, expected.1.to_string()));
    }
    maps.create(&PostParams::default(), &config_map("two", "1")?)
        .await?;
    let unlabelled = json!({"metadata": {"labels": {"mine": null}}});
    maps.patch("one", &PatchParams::default(), &Patch::Merge(unlabelled))
        .await?;
    for expected in [("applied", "two"), ("deleted", "one")] {
        let event = soon("events", events.try_next()).await??.unwrap();
        assert_eq!(told(&event), (expected.0, expected.1.to_string()));
    }
    restart()?;
    maps.delete("two", &DeleteParams::default()).await?;
    // The connection breaks: the watcher tells that, waits a little and goes on from where it was.
    let deleted = async {
        loop {
            match events.next().await {
                Some(Ok(event)) => break told(&event),
                Some(Err(_)) => {}
                None => panic!("a watcher never ends"),
            }
        }
    };
    assert_eq!(
        soon("the event after the restart", deleted).await?,
        ("deleted", "two".to_string())
    );
    Ok(())
}

pub async fn watch(place: Place) -> Outcome {
    follow(place, Config::default()).await
}

pub async fn streaming(place: Place) -> Outcome {
    follow(place, Config::default().streaming_lists()).await
}

/// A cache of pods follows what happens to them.
pub async fn cache(place: Place) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(place.client, &place.namespace);
    let pod = |name: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    pods.create(&PostParams::default(), &from_value(pod("one"))?)
        .await?;
    let (reader, writer) = reflector::store::<Pod>();
    let touched = reflector(writer, watcher(pods.clone(), Config::default()))
        .default_backoff()
        .touched_objects();
    pin_mut!(touched);
    let next = soon("the first pod", touched.try_next()).await??.unwrap();
    assert_eq!(next.name_any(), "one");
    let bound = json!({"status": {"phase": "Running", "hostIP": "192.168.7.1"}});
    pods.patch_status("one", &PatchParams::default(), &Patch::Merge(bound))
        .await?;
    pods.create(&PostParams::default(), &from_value(pod("two"))?)
        .await?;
    let grace = DeleteParams {
        grace_period_seconds: Some(0),
        ..DeleteParams::default()
    };
    pods.delete("two", &grace).await?;
    let mut names = Vec::new();
    while names.len() < 4 {
        names.push(soon("pods", touched.try_next()).await??.unwrap().name_any());
    }
    assert_eq!(
        names,
        ["one", "two", "two", "two"],
        "made, marked and removed"
    );
    let kept = reader.state();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        kept[0].status.as_ref().unwrap().phase.as_deref(),
        Some("Running")
    );
    assert_eq!(*kept[0], pods.get("one").await?);
    Ok(())
}
