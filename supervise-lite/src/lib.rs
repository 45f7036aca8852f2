//! The compact supervise and svscan set will stand here. Nothing is here yet.
