//! Scenarios of kube-rs, run by tests/clients/test_rust.py: clients SCENARIO NAMESPACE GROUP, where GROUP has the kind
//! Widget of the tests. KUBECONFIG names the server. A scenario that needs the server restarted prints "@@restart" and
//! waits for a line.

mod controller;
mod objects;
mod watches;

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use kube::Client;

/// How long a scenario waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(20);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Where a scenario takes place.
struct Place {
    client: Client,
    namespace: String,
    group: String,
}

/// Wait for something, not forever.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> Outcome<T> {
    let waited = tokio::time::timeout(PATIENCE, future).await;
    waited.map_err(|_| format!("{what}: not after {PATIENCE:?}").into())
}

/// Have the test restart the server.
fn restart() -> Outcome {
    println!("@@restart");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [scenario, namespace, group] = arguments.as_slice() else {
        return Err("clients SCENARIO NAMESPACE GROUP".into());
    };
    let client = Client::try_default().await?;
    let place = Place {
        client,
        namespace: namespace.clone(),
        group: group.clone(),
    };
    match scenario.as_str() {
        "config_maps" => objects::config_maps(place).await?,
        "pods" => objects::pods(place).await?,
        "deployments" => objects::deployments(place).await?,
        "watch" => watches::watch(place).await?,
        "streaming" => watches::streaming(place).await?,
        "reflector" => watches::cache(place).await?,
        "controller" => controller::controller(place).await?,
        other => return Err(format!("no scenario {other}").into()),
    }
    println!("passed");
    Ok(())
}
