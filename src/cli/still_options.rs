//! What the stills of a flight may not say, for `compare` and `locate`.

use crate::config::DroneConfig;

#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub(super) struct StillOptions {
    /// Whole horizontal angle of view of the stills, from the camera's data sheet [default: as each still says]
    #[arg(long, value_name = "DEGREES", value_parser = angle)]
    fov_deg: Option<f64>,
    /// Altitude of the place of take-off in metres, for stills that say no height above it
    #[arg(long, value_name = "METRES", value_parser = altitude, allow_hyphen_values = true)]
    takeoff_alt_m: Option<f64>,
}

impl StillOptions {
    /// `assume_nadir`: without gimbal angles the camera is taken to look straight down.
    pub(super) fn drone(self, assume_nadir: bool) -> DroneConfig {
        DroneConfig {
            assume_nadir,
            fov_deg: self.fov_deg,
            takeoff_alt_m: self.takeoff_alt_m,
            ..DroneConfig::default()
        }
    }
}

fn angle(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|deg: &f64| (1.0..=170.0).contains(deg)).ok_or("must be 1 to 170".into())
}

fn altitude(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|m: &f64| (-500.0..=9000.0).contains(m)).ok_or("must be -500 to 9000".into())
}
