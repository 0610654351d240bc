//! Typed calls on built-in kinds.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Error, ResourceExt};
use serde_json::{from_value, json};

use crate::{Outcome, Place};

/// Tell whether an answer is the failure of a code and a reason.
fn failed<T>(answer: Result<T, Error>, code: u16, reason: &str) -> bool {
    matches!(answer, Err(Error::Api(status)) if status.code == code && status.reason == reason)
}

pub async fn config_maps(place: Place) -> Outcome {
    let maps: Api<ConfigMap> = Api::namespaced(place.client, &place.namespace);
    let post = PostParams::default();
    let one: ConfigMap = from_value(
        json!({"metadata": {"name": "one"}, "data": {"k": "1"}, "binaryData": {"raw": "AP8="}}),
    )?;
    let made = maps.create(&post, &one).await?;
    assert!(made.uid().is_some() && made.creation_timestamp().is_some());
    assert_eq!(made.binary_data.as_ref().unwrap()["raw"].0, [0, 255]);
    assert!(failed(maps.create(&post, &one).await, 409, "AlreadyExists"));

    let mut changed = maps.get("one").await?;
    changed
        .data
        .get_or_insert_default()
        .insert("k".into(), "2".into());
    let replaced = maps.replace("one", &post, &changed).await?;
    assert_ne!(replaced.resource_version(), made.resource_version());
    assert_eq!(
        maps.replace("one", &post, &replaced)
            .await?
            .resource_version(),
        replaced.resource_version()
    );
    assert!(failed(
        maps.replace("one", &post, &made).await,
        409,
        "Conflict"
    ));

    let merge = json!({"data": {"k": null, "l": "3"}});
    let merged = maps
        .patch("one", &PatchParams::default(), &Patch::Merge(&merge))
        .await?;
    assert_eq!(
        merged.data.unwrap().into_iter().collect::<Vec<_>>(),
        [("l".into(), "3".into())]
    );

    let apply = |manager: &str, value: &str| {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"applied": value}});
        (PatchParams::apply(manager), Patch::Apply(body))
    };
    let (params, body) = apply("first", "a");
    let applied = maps.patch("one", &params, &body).await?;
    assert_eq!(applied.data.as_ref().unwrap()["applied"], "a");
    assert_eq!(
        maps.patch("one", &params, &body).await?.resource_version(),
        applied.resource_version()
    );
    let (params, body) = apply("second", "b");
    assert!(failed(
        maps.patch("one", &params, &body).await,
        409,
        "Conflict"
    ));
    let forced = maps.patch("one", &params.force(), &body).await?;
    let owners = forced
        .managed_fields()
        .iter()
        .filter(|owner| owner.operation.as_deref() == Some("Apply"));
    assert_eq!(
        owners
            .map(|owner| owner.manager.clone().unwrap())
            .collect::<Vec<_>>(),
        ["second"]
    );

    for number in 0..5 {
        let some = json!({"metadata": {"name": format!("c{number}"), "labels": {"mine": "yes"}}});
        maps.create(&post, &from_value(some)?).await?;
    }
    let mut names = Vec::new();
    let mut page = ListParams::default().labels("mine=yes").limit(2);
    loop {
        let listed = maps.list(&page).await?;
        names.extend(listed.items.iter().map(ResourceExt::name_any));
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(names, ["c0", "c1", "c2", "c3", "c4"]);
    let heads = maps
        .list_metadata(&ListParams::default().labels("mine"))
        .await?;
    assert_eq!(heads.items.len(), 5);

    maps.delete("one", &DeleteParams::default()).await?;
    assert!(maps.get_opt("one").await?.is_none());
    assert!(failed(maps.get("one").await, 404, "NotFound"));
    maps.delete_collection(
        &DeleteParams::default(),
        &ListParams::default().labels("mine=yes"),
    )
    .await?;
    assert!(
        maps.list(&ListParams::default().labels("mine=yes"))
            .await?
            .items
            .is_empty()
    );
    Ok(())
}

pub async fn pods(place: Place) -> Outcome {
    let pods: Api<Pod> = Api::namespaced(place.client, &place.namespace);
    let web: Pod = from_value(json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "nginx", "resources": {"limits": {"cpu": "0.5"}}}]},
    }))?;
    let made = pods.create(&PostParams::default(), &web).await?;
    let spec = made.spec.as_ref().unwrap();
    assert_eq!(
        spec.containers[0].image_pull_policy.as_deref(),
        Some("Always")
    );
    assert_eq!(
        spec.containers[0]
            .resources
            .as_ref()
            .unwrap()
            .limits
            .as_ref()
            .unwrap()["cpu"]
            .0,
        "500m"
    );
    assert_eq!(
        made.status.as_ref().unwrap().phase.as_deref(),
        Some("Pending")
    );

    let wrong = json!({"spec": {"containers": [{"name": "web", "command": ["other"]}]}});
    let refused = pods
        .patch("web", &PatchParams::default(), &Patch::Strategic(wrong))
        .await;
    assert!(failed(refused, 422, "Invalid"));
    let image = json!({"spec": {"containers": [{"name": "web", "image": "nginx:2"}]}});
    let patched = pods
        .patch("web", &PatchParams::default(), &Patch::Strategic(image))
        .await?;
    assert_eq!(
        patched.spec.unwrap().containers[0].image.as_deref(),
        Some("nginx:2")
    );

    let status = json!({"status": {"phase": "Running", "podIP": "10.9.0.7", "conditions": [{"type": "Ready", "status": "True"}]}});
    let running = pods
        .patch_status("web", &PatchParams::default(), &Patch::Merge(status))
        .await?;
    assert_eq!(running.status.unwrap().pod_ip.as_deref(), Some("10.9.0.7"));
    for (fields, found) in [
        ("status.phase=Running", 1),
        ("status.phase!=Running", 0),
        ("spec.nodeName=", 1),
    ] {
        assert_eq!(
            pods.list(&ListParams::default().fields(fields))
                .await?
                .items
                .len(),
            found,
            "{fields}"
        );
    }
    pods.evict("web", &EvictParams::default()).await?;
    assert!(
        pods.get_opt("web").await?.is_none(),
        "a pod of no node goes at once"
    );
    Ok(())
}

pub async fn deployments(place: Place) -> Outcome {
    let deployments: Api<Deployment> = Api::namespaced(place.client, &place.namespace);
    let container = json!({"name": "web", "image": "nginx"});
    let web = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    });
    let params = PatchParams::apply("suite");
    let made = deployments
        .patch("web", &params, &Patch::Apply(&web))
        .await?;
    let spec = &made.spec;
    assert_eq!(
        (spec.replicas, spec.revision_history_limit),
        (Some(1), Some(10))
    );
    assert_eq!(made.metadata.generation, Some(1));
    assert_eq!(
        deployments
            .patch("web", &params, &Patch::Apply(&web))
            .await?,
        made
    );

    let scale = deployments
        .patch_scale(
            "web",
            &params,
            &Patch::Merge(json!({"spec": {"replicas": 3}})),
        )
        .await?;
    assert_eq!(scale.spec.unwrap().replicas, Some(3));
    let status = json!({"status": {"observedGeneration": 2, "replicas": 3, "readyReplicas": 2, "updatedReplicas": 3}});
    let stated = deployments
        .patch_status("web", &params, &Patch::Merge(status))
        .await?;
    assert_eq!(
        (
            stated.metadata.generation,
            stated.status.unwrap().ready_replicas
        ),
        (Some(2), Some(2))
    );
    assert_eq!(
        deployments.get_scale("web").await?.status.unwrap().replicas,
        3
    );

    let strict = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::default()
    };
    let odd = deployments
        .patch("web", &strict, &Patch::Merge(json!({"spec": {"junk": 1}})))
        .await;
    assert!(failed(odd, 422, "Invalid"));
    let moved = json!({"spec": {"selector": {"matchLabels": {"app": "other"}}}});
    let fixed = deployments
        .patch("web", &PatchParams::default(), &Patch::Merge(moved))
        .await;
    assert!(failed(fixed, 422, "Invalid"));
    deployments
        .delete("web", &DeleteParams::background())
        .await?;
    assert!(deployments.get_opt("web").await?.is_none());
    Ok(())
}
