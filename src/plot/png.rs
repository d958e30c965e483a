//! The drawing in pixels.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, fontdb};

/// DejaVu Sans, cut down: see `font/README.md`.
const FONT: &[u8] = include_bytes!("font/DejaVuSans.ttf");
/// Its name.
pub(super) const FAMILY: &str = "DejaVu Sans";
/// Pixels to a unit: screens are dense today.
const SCALE: f32 = 2.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_source(fontdb::Source::Binary(Arc::new(FONT)));
    Arc::new(fonts)
});

fn tree(svg: &str) -> Result<usvg::Tree, String> {
    let options = usvg::Options { font_family: FAMILY.into(), fontdb: FONTS.clone(), ..usvg::Options::default() };
    usvg::Tree::from_str(svg, &options).map_err(|e| format!("the drawing cannot be read: {e}"))
}

/// The PNG of a drawing of ours.
pub(super) fn png(svg: &str) -> Result<Vec<u8>, String> {
    let tree = tree(svg)?;
    let pixels = |length: f32| (length * SCALE).ceil() as u32;
    let mut pixmap = Pixmap::new(pixels(tree.size().width()), pixels(tree.size().height()))
        .ok_or("the drawing has no size or too large a one")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|e| format!("the drawing cannot be written as PNG: {e}"))
}

/// The texts of a drawing, each with the place it takes: left, top, right, bottom.
#[cfg(test)]
pub(super) fn texts(svg: &str) -> Vec<(String, [f32; 4])> {
    fn walk(group: &usvg::Group, out: &mut Vec<(String, [f32; 4])>) {
        for node in group.children() {
            match node {
                usvg::Node::Group(inner) => walk(inner, out),
                usvg::Node::Text(text) => {
                    let place = text.abs_bounding_box();
                    let said = text.chunks().iter().map(|chunk| chunk.text()).collect();
                    out.push((said, [place.left(), place.top(), place.right(), place.bottom()]));
                }
                _ => {}
            }
        }
    }
    let (tree, mut out) = (tree(svg).unwrap(), Vec::new());
    walk(tree.root(), &mut out);
    out
}
