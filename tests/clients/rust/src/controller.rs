//! A controller of a custom resource: each Widget has a ConfigMap that says its size, and a status that says it has.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, ApiResource, DeleteParams, GroupVersionKind, Object, Patch, PatchParams, PostParams,
};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::wait::{await_condition, conditions};
use kube::runtime::watcher::Config;
use kube::{Client, Resource, ResourceExt};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Outcome, Place, soon};

const FINALIZER: &str = "clients.example.com/kept";

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct WidgetSpec {
    size: i64,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
struct WidgetStatus {
    told: i64,
}

type Widget = Object<WidgetSpec, WidgetStatus>;

struct Context {
    client: Client,
    resource: ApiResource,
}

type Failure = kube::runtime::finalizer::Error<kube::Error>;

async fn reconcile(widget: Arc<Widget>, context: Arc<Context>) -> Result<Action, Failure> {
    let namespace = widget.namespace().expect("widgets have a namespace");
    let widgets: Api<Widget> =
        Api::namespaced_with(context.client.clone(), &namespace, &context.resource);
    finalizer(&widgets.clone(), FINALIZER, widget, |event| async {
        match event {
            Event::Apply(widget) => tell(&context, widgets, &widget, &namespace).await,
            Event::Cleanup(widget) => {
                let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
                maps.delete(&widget.name_any(), &DeleteParams::default())
                    .await?;
                Ok(Action::await_change())
            }
        }
    })
    .await
}

async fn tell(
    context: &Context,
    widgets: Api<Widget>,
    widget: &Widget,
    namespace: &str,
) -> Result<Action, kube::Error> {
    let name = widget.name_any();
    let apply = PatchParams::apply("widget-controller").force();
    let owner = widget.controller_owner_ref(&context.resource);
    let map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "data": {"size": widget.spec.size.to_string()},
    });
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    maps.patch(&name, &apply, &Patch::Apply(map)).await?;
    let status = json!({
        "apiVersion": context.resource.api_version, "kind": context.resource.kind,
        "status": {"told": widget.spec.size},
    });
    widgets
        .patch_status(&name, &apply, &Patch::Apply(status))
        .await?;
    Ok(Action::await_change())
}

/// Wait until the widget's status tells a size.
async fn until_told(widgets: &Api<Widget>, size: i64) -> Outcome {
    let told = |widget: Option<&Widget>| {
        widget
            .and_then(|it| it.status.as_ref())
            .is_some_and(|status| status.told == size)
    };
    soon("the status", await_condition(widgets.clone(), "one", told)).await??;
    Ok(())
}

pub async fn controller(place: Place) -> Outcome {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(&place.group, "v1", "Widget"),
        "widgets",
    );
    let widgets: Api<Widget> =
        Api::namespaced_with(place.client.clone(), &place.namespace, &resource);
    let maps: Api<ConfigMap> = Api::namespaced(place.client.clone(), &place.namespace);
    let context = Arc::new(Context {
        client: place.client.clone(),
        resource: resource.clone(),
    });
    let running = tokio::spawn(
        Controller::new_with(widgets.clone(), Config::default(), resource.clone())
            .owns(maps.clone(), Config::default())
            .run(
                reconcile,
                |_, _, _| Action::requeue(Duration::from_millis(100)),
                context,
            )
            .for_each(|_| std::future::ready(())),
    );

    let made = widgets
        .create(
            &PostParams::default(),
            &Object::new("one", &resource, WidgetSpec { size: 4 }),
        )
        .await?;
    until_told(&widgets, 4).await?;
    let grown = json!({"spec": {"size": 7}});
    widgets
        .patch("one", &PatchParams::default(), &Patch::Merge(grown))
        .await?;
    until_told(&widgets, 7).await?;
    assert_eq!(maps.get("one").await?.data.unwrap()["size"], "7");
    let one = widgets.get("one").await?;
    assert_eq!(
        (one.meta().generation, one.finalizers()),
        (Some(2), &[FINALIZER.to_string()][..])
    );

    // What somebody else changes in the map is put right: the controller watches what it owns.
    let wrong = json!({"data": {"size": "0"}});
    maps.patch("one", &PatchParams::default(), &Patch::Merge(wrong))
        .await?;
    let right = |map: Option<&ConfigMap>| {
        map.is_some_and(|it| it.data.as_ref().is_some_and(|data| data["size"] == "7"))
    };
    soon(
        "the size put right",
        await_condition(maps.clone(), "one", right),
    )
    .await??;

    widgets.delete("one", &DeleteParams::default()).await?;
    let uid = made.uid().expect("an object has a uid");
    soon(
        "the end",
        await_condition(widgets.clone(), "one", conditions::is_deleted(&uid)),
    )
    .await??;
    assert!(maps.get_opt("one").await?.is_none());
    running.abort();
    Ok(())
}
