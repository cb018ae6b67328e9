//! `ignored`: lists the places at which nothing is reported because people rejected an event there.

use super::commander::Commander;
use super::sender::Sender;
use crate::wire::{IgnoredCommand, IgnoredPlace, ReplyData};

impl Commander {
    pub(super) fn list_ignored(&self, sender: &Sender, command: &IgnoredCommand) {
        let cameras = self.parts.config.cameras.iter().map(|camera| &camera.id);
        let wanted: Vec<_> =
            cameras.filter(|id| command.camera.as_ref().is_none_or(|camera| camera == id.as_str())).collect();
        if let (true, Some(camera)) = (wanted.is_empty(), &command.camera) {
            let reason = format!("there is no camera `{camera}`");
            return self.refuse(sender, &reason, "the cameras' ids are those of the config");
        }
        let places = wanted.into_iter().flat_map(|camera| {
            self.parts.rules.camera(camera).ignored.into_iter().map(|ignored| IgnoredPlace {
                camera: camera.to_string(),
                event: ignored.event,
                class: ignored.class,
                until: ignored.until.to_string(),
                boxes: ignored.places.iter().map(|r| [r.x0, r.y0, r.x1, r.y1].map(round)).collect(),
            })
        });
        let mut data = ReplyData::done(&sender.name, sender.id.as_deref());
        data.ignored = Some(places.collect());
        self.answer(sender, data);
    }
}

fn round(value: f32) -> f64 {
    (f64::from(value) * 1e4).round() / 1e4
}
