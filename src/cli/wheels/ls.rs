//! `wheelwright wheels ls`: what is in the store.

use clap::Args;
use serde_json::json;

use super::store::{Held, StoreArgs};
use super::table::{short, table};
use crate::cli::Failure;
use crate::layers::oci::Wheel;
use crate::python::PackageName;
use crate::report::{Printer, bytes, plural};
use crate::store::StoredBase;

/// List the layers of the store, and the bases that it knows something of
#[derive(Debug, Clone, Args)]
pub(super) struct LsArgs {
    #[command(flatten)]
    store: StoreArgs,
    /// Only layers that hold this package
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Everything that is known of them, as JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &LsArgs) -> Result<String, Failure> {
    let opened = args.store.open()?;
    let store = args.store.store(opened.as_ref())?;
    let held = Held::by(&store).await?;
    held.warn();
    let mut layers = held.layers;
    let asked = args.packages.iter().map(|name| name.parse::<PackageName>());
    let asked = asked.collect::<Result<Vec<_>, _>>();
    let asked = asked.map_err(Failure::Usage)?;
    let named = |wheel: &Wheel| asked.iter().any(|name| name.as_str() == wheel.name);
    layers.retain(|layer| asked.is_empty() || layer.wheels.iter().any(named));
    // Bases hold no packages.
    let bases = if asked.is_empty() { held.bases } else { Vec::new() };
    if args.json {
        return Ok(format!("{:#}\n", json!({"layers": layers, "bases": bases})));
    }
    let head = ["WHEELS", "PYTHON", "FORMAT", "SIZE", "UNPACKED", "KEY"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(layers.iter().map(|layer| {
        vec![
            short(&layer.title, 48),
            layer.python.clone(),
            layer.format.to_string(),
            bytes(layer.size),
            bytes(layer.unpacked),
            layer.key.as_str()[..12].to_owned(),
        ]
    }));
    let sum = layers.iter().map(|layer| layer.size).sum();
    Printer::new().note(&format!(
        "{} in {}, {}{}",
        plural(layers.len(), "layer"),
        store.remote().repository(),
        bytes(sum),
        match bases.len() {
            0 => String::new(),
            count => format!("; {}", plural(count, "base")),
        }
    ));
    let tables = [rows, of_bases(&bases)].into_iter().filter(|rows| rows.len() > 1);
    Ok(tables.map(|rows| table(&rows)).collect::<Vec<_>>().join("\n"))
}

fn of_bases(bases: &[StoredBase]) -> Vec<Vec<String>> {
    let head = ["BASE", "PLATFORM", "KEY"].map(str::to_owned).to_vec();
    let rows = bases.iter().map(|base| {
        let key = base.key.as_str()[..12].to_owned();
        vec![short(&base.image, 20), base.platform.clone(), key]
    });
    std::iter::once(head).chain(rows).collect()
}
