//! A list of figures as OpenMetrics text, for programs other than the node.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// One figure, with its name and what it means.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub name: &'static str,
    pub help: &'static str,
    pub value: FigureValue,
}

#[derive(Clone, Copy, Debug)]
pub enum FigureValue {
    /// Since the start.
    Count(u64),
    Now(f64),
}

pub(super) fn render(figures: Vec<Figure>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All(figures)));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct All(Vec<Figure>);

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Figure { name, help, value } in &self.0 {
            match value {
                FigureValue::Count(count) => {
                    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
                    ConstCounter::new(*count).encode(encoder)?;
                }
                FigureValue::Now(value) => {
                    let encoder = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                    ConstGauge::new(*value).encode(encoder)?;
                }
            }
        }
        Ok(())
    }
}
