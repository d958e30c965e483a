//! Behaviour tests: one file a behaviour.
mod alert_life;
mod fault_simulator;
mod stage;
