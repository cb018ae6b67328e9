//! What every stage shares: ids, time, geometry, back-off, shutdown, durable files. No domain logic. The only
//! IO is reading the clock, reading texts and replacing files.

mod backoff;
mod class_kind;
mod clock;
mod confidence;
mod derived_id;
mod durable;
mod error_chain;
mod full_width;
mod geometry;
mod heartbeat;
mod id;
mod shutdown;
mod table;
mod text;
mod time;

pub use backoff::Backoff;
pub use class_kind::{ClassKind, ClassKinds};
pub use clock::{kernel_clock, monotonic, process_cpu, wall, wall_now};
pub use confidence::{ConfidenceMap, ConfidenceMaps};
pub use derived_id::DerivedId;
pub use durable::{UNFINISHED, finish_file, replace_file, sync_folder, unfinished};
pub use error_chain::error_chain;
pub use full_width::{Strays, Syntax, ascii_of, narrow, stray_hint, strays};
pub use geometry::{Point, Polygon, PolygonError, Rect};
pub use heartbeat::Heartbeat;
pub use id::{AreaId, CameraId, ClassName, FrameSeq, TrackId, ZoneId, fits_id, is_id};
pub use shutdown::Shutdown;
pub use table::{content_lines, csv_fields, table_degrees, table_fields, table_number};
pub use text::{NoText, decode_text, read_text};
pub use time::{Capture, CaptureClock, KernelClock, MediaTime, TimeSource, WallTime};
