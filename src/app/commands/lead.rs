//! The commands `lead` (what do the cameras see at a place?) and `calibration` (positions are right again).

use super::commander::Commander;
use super::sender::Sender;
use super::waiting::MAX_WAITING;
use super::waiting::Question;
use crate::base::CameraId;
use crate::events::TamperState;
use crate::outbox::Batch;
use crate::wire::{CalibrationCommand, LeadCommand, ReplyData};

/// The most cameras that one lead uses: those that see most of the place.
const MAX_CAMERAS: usize = 8;

impl Commander {
    pub(super) fn lead(&mut self, sender: Sender, command: &LeadCommand) {
        let sites = &self.parts.sites;
        if sites.is_empty() {
            let help = "calibrate the cameras (`lintel calibrate`) and name the files in the config";
            return self.refuse(&sender, "no camera of this node is calibrated", help);
        }
        if self.waiting.len() >= MAX_WAITING {
            let reason = format!("{MAX_WAITING} commands wait for pictures already");
            return self.refuse(&sender, &reason, "send it again in a minute");
        }
        let mut cameras = Vec::new();
        for (site, sighting) in sites.seeing(command.lon, command.lat, command.height_m.unwrap_or(0.0)) {
            if cameras.len() >= MAX_CAMERAS {
                break;
            }
            let mut wait = self.request_pictures(site.camera(), 1, None);
            let round = |v: f64, parts: f64| (v * parts).round() / parts;
            wait.answer.pixel = Some(site.share(sighting.pixel).map(|v| round(v, 1e5)));
            wait.answer.distance_m = Some(round(sighting.distance_m, 1e2));
            wait.answer.metres_per_pixel = Some(round(sighting.metres_per_pixel, 1e4));
            wait.answer.hidden = Some(sighting.hidden);
            cameras.push(wait);
        }
        tracing::info!(lon = command.lon, lat = command.lat, cameras = cameras.len(), "a lead");
        if cameras.is_empty() {
            // That no camera sees the place is an answer too.
            return self.answer(&sender, ReplyData::done(&sender.name, sender.id.as_deref()));
        }
        let question =
            Question::Lead { place: [command.lon, command.lat], clip: command.clip.unwrap_or(true) };
        self.wait(sender, question, cameras);
    }

    /// Clears the mark `stale` of the camera's positions.
    pub(super) fn confirm_calibration(&mut self, sender: &Sender, command: &CalibrationCommand) {
        let camera = CameraId::new(command.camera.clone());
        let Some(site) = self.parts.sites.get(&camera) else {
            let reason = format!("there is no calibrated camera `{}`", command.camera);
            return self.refuse(sender, &reason, "the cameras' ids are those of the config");
        };
        site.set_stale(false);
        tracing::info!(%camera, "its positions were confirmed");
        let data = ReplyData::done(&sender.name, sender.id.as_deref());
        let mut batch = Batch { state: vec![(TamperState::key(&camera), None)], ..Batch::default() };
        self.add_reply(sender, data, &mut batch);
        let journal = &self.parts.recorder.journal;
        if journal.commit_or_withdraw(journal.lock(), batch, &self.stop) {
            sender.delivery.done();
        }
    }
}
