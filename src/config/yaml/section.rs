//! Sections declared as tables: one line a key.

/// Declares a section of a configuration file: a struct, its defaults and its strict decoding.
///
/// A field's key is its name, or the literal after `as`; its default is the expression after `=`, or the type's own. An
/// absent or null key keeps the default. With `check`, the section has `fn check(&mut self, m: &MapReader)` for the
/// rules that span keys; it runs after all keys are read. Sections under `inline` are read from the same mapping.
///
/// ```
/// watchbell::section! {
///     /// Where to knock.
///     pub struct Door as "door" {
///         /// The house's number.
///         number: u32,
///         /// How often.
///         knocks: u32 = 3,
///     }
/// }
/// use watchbell::config::yaml::{Decode, Decoder};
/// let decoder = Decoder::new("door.yml", "number: 7");
/// let door = decoder.document().and_then(|n| Door::decode(&n, &decoder)).unwrap();
/// assert_eq!((door.number, door.knocks), (7, 3));
/// ```
#[macro_export]
macro_rules! section {
    (
        $(#[doc = $about:expr])*
        pub struct $name:ident as $label:literal $(with $check:ident)? {
            $($(#[doc = $doc:expr])* $field:ident $(as $key:literal)? : $ty:ty $(= $default:expr)?),* $(,)?
        }
        $(inline { $($(#[$inline_doc:meta])* $inline:ident : $inline_ty:ty),* $(,)? })?
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])* pub $field: $ty,)*
            $($($(#[$inline_doc])* pub $inline: $inline_ty,)*)?
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    $($field: $crate::section!(@default $($default)?),)*
                    $($($inline: Default::default(),)*)?
                }
            }
        }

        impl $name {
            /// Reads the section's keys out of a mapping, which may hold others' too.
            pub fn read(m: &$crate::config::yaml::MapReader) -> Self {
                let mut section = Self::default();
                $(m.read($crate::section!(@key $field $($key)?), &mut section.$field);)*
                $($(section.$inline = <$inline_ty>::read(m);)*)?
                $(section.$check(m);)?
                section
            }

            /// What the section's keys are, for the reference.
            pub fn section() -> $crate::config::yaml::Section {
                use $crate::config::yaml::{Decode, Key};
                let usual = Self::default();
                $crate::config::yaml::Section {
                    label: $label,
                    about: concat!($($about, "\n"),*),
                    keys: vec![$(Key {
                        name: $crate::section!(@key $field $($key)?),
                        about: concat!($($doc, "\n"),*),
                        default: Decode::shown_default(&usual.$field),
                        shape: <$ty as Decode>::shape,
                    }),*],
                    inline: vec![$($(<$inline_ty>::section as fn() -> _),*)?],
                }
            }
        }

        impl $crate::config::yaml::Decode for $name {
            fn decode(
                node: &$crate::config::yaml::Node,
                decoder: &$crate::config::yaml::Decoder,
            ) -> Option<Self> {
                let m = decoder.mapping(node, $label)?;
                let section = Self::read(&m);
                m.finish();
                Some(section)
            }

            fn shape() -> $crate::config::yaml::Shape {
                $crate::config::yaml::Shape::Section(Self::section)
            }

            fn shown_default(&self) -> Option<$crate::config::yaml::Node> {
                use $crate::config::yaml::Decode;
                let keys = vec![$(($crate::section!(@key $field $($key)?), Decode::shown_default(&self.$field))),*];
                // Sections in the same mapping have no defaults that anyone would look for.
                $crate::config::yaml::shown_section(keys)
            }
        }
    };
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@key $field:ident) => { stringify!($field) };
    (@key $field:ident $key:literal) => { $key };
}
