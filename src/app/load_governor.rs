//! The load governor: keeps the node within its budget of processor time.
//!
//! Takes: once a second, the processor time of the process and how busy the detectors are. Gives: the factor
//! that stretches the cameras' intervals, and whether there is room for series. It stretches all cameras
//! alike (by their priority), so rates fall evenly under overload. Series cost most, so they end first and
//! resume last.
//! Not here: which camera is next (the schedulers: the most overdue in units of its own interval).

use std::time::{Duration, Instant};

use crate::base::{monotonic, process_cpu};
use crate::decode::{DecodePool, Throttle};
use crate::detect::DetectPool;
use crate::monitor::LoadSnapshot;

/// Above the share `FULL` of the budget (averaged) the node slows down; below `ROOM` it allows series.
const FULL: f64 = 0.97;
const ROOM: f64 = 0.85;
/// The largest stretch. A node that needs more is far too small, and `/health` reports it.
const MOST_STRETCH: f64 = 16.0;
/// Weight of the newest second in the average.
const NEWEST: f64 = 0.3;

pub(super) struct LoadGovernor {
    /// Cores.
    budget: f64,
    control: Control,
    last: Option<(Instant, Duration, Duration)>,
    used: f64,
    warned: bool,
}

impl LoadGovernor {
    /// `budget`: cores; `None`: all cores of the machine.
    pub fn new(budget: Option<f64>) -> Self {
        let mut governor =
            Self { budget: 1.0, control: Control::default(), last: None, used: 0.0, warned: false };
        governor.set_budget(budget);
        governor
    }

    pub fn set_budget(&mut self, budget: Option<f64>) {
        let all = || std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        self.budget = budget.unwrap_or_else(all);
    }

    /// Called once a second.
    pub fn step(&mut self, decode: &DecodePool, detect: &DetectPool) -> LoadSnapshot {
        let detectors = detect.snapshot();
        let busy = Duration::from_secs_f64(detectors.busy_s);
        let cpu = process_cpu();
        let now = monotonic();
        if let Some((then, cpu_then, busy_then)) = self.last {
            let time = (now - then).as_secs_f64().max(0.1);
            let used = cpu.saturating_sub(cpu_then).as_secs_f64() / time;
            let busy = busy.saturating_sub(busy_then).as_secs_f64() / time / detectors.workers.max(1) as f64;
            self.used += NEWEST * (used - self.used);
            self.control.step(self.used / self.budget, busy);
        }
        self.last = Some((now, cpu, busy));
        decode.set_throttle(self.control.throttle());
        self.log();
        LoadSnapshot { cores: self.used, budget: self.budget, stretch: self.control.stretch }
    }

    fn log(&mut self) {
        let stretch = self.control.stretch;
        if !self.warned && stretch > 1.5 {
            self.warned = true;
            tracing::warn!(
                cores = format!("{:.2}", self.used),
                budget = self.budget,
                stretch = format!("{stretch:.1}"),
                "the load is above the budget: all cameras are sampled less often, by their priority; raise \
                 budget.cores or the cameras' interval, or remove tiles or cameras"
            );
        } else if self.warned && stretch == 1.0 {
            self.warned = false;
            tracing::info!("the load is within the budget again: cameras are sampled as configured");
        }
    }
}

/// The control rule, without clocks.
#[derive(Clone, Copy, Debug)]
struct Control {
    stretch: f64,
    /// Averaged share of the budget, and of the detectors' time.
    pressure: f64,
}

impl Default for Control {
    fn default() -> Self {
        Self { stretch: 1.0, pressure: 0.0 }
    }
}

impl Control {
    /// `share`: of the budget, averaged; `busy`: of the detectors' time in the last second.
    fn step(&mut self, share: f64, busy: f64) {
        // Detectors that are always busy are a limit too, whatever the budget.
        self.pressure += NEWEST * (share.max(busy) - self.pressure);
        let pressure = share.max(self.pressure);
        if pressure > FULL {
            self.stretch = (self.stretch * (pressure / 0.93).clamp(1.02, 1.25)).min(MOST_STRETCH);
        } else if pressure < ROOM {
            self.stretch = (self.stretch * 0.96).max(1.0);
        }
    }

    fn throttle(&self) -> Throttle {
        Throttle { stretch: self.stretch, series: self.stretch < 1.05 && self.pressure < ROOM }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs for `seconds`. Load in shares of the budget: `samples` from single pictures, which a stretch
    /// makes rarer, and `series`.
    fn run(control: &mut Control, seconds: u32, samples: f64, series: f64) -> f64 {
        let mut average = samples;
        for _ in 0..seconds {
            let throttle = control.throttle();
            let now = samples / throttle.stretch + if throttle.series { series } else { 0.0 };
            average += NEWEST * (now - average);
            control.step(average, 0.0);
        }
        average
    }

    #[test]
    fn within_the_budget_nothing_is_changed() {
        let mut control = Control::default();
        run(&mut control, 300, 0.6, 0.15);
        assert_eq!(control.throttle(), Throttle { stretch: 1.0, series: true });
    }

    #[test]
    fn too_many_samples_are_stretched_to_fit_and_come_back() {
        let mut control = Control::default();
        let load = run(&mut control, 120, 3.0, 0.5);
        assert!((0.8..=1.05).contains(&load), "{load}");
        assert!((2.8..=4.0).contains(&control.stretch) && !control.throttle().series, "{control:?}");
        run(&mut control, 120, 0.5, 0.1);
        assert_eq!(control.throttle(), Throttle { stretch: 1.0, series: true });
    }

    #[test]
    fn series_that_do_not_fit_give_way_before_samples_do() {
        let mut control = Control::default();
        let mut worst = 1.0f64;
        for _ in 0..300 {
            run(&mut control, 1, 0.7, 1.0);
            worst = worst.max(control.stretch);
        }
        assert!(worst < 1.6, "{worst}");
        assert!(control.stretch < 1.3, "{control:?}");
    }

    #[test]
    fn detectors_without_a_break_are_a_limit_too() {
        let mut control = Control::default();
        (0..60).for_each(|_| control.step(0.5, 1.0));
        assert!(control.stretch > 2.0 && !control.throttle().series, "{control:?}");
    }
}
