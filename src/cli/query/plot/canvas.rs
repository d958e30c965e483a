//! A drawing in braille: every character is two dots wide and four dots high.

/// The first braille character: no dots. Those of a character are the bits above it.
const BLANK: u32 = 0x2800;
/// The bits of a character's dots, row by row, left and right.
const DOTS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// One character of a canvas.
#[derive(Clone, Copy, Default)]
struct Cell {
    dots: u8,
    /// A character in place of the dots.
    mark: Option<char>,
    /// Whose it is: who drew here last.
    owner: usize,
}

/// A drawing of so many characters.
pub(super) struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<Cell>,
}

impl Canvas {
    /// An empty drawing.
    pub fn new(columns: usize, rows: usize) -> Self {
        Canvas { columns, rows, cells: vec![Cell::default(); columns * rows] }
    }

    /// Width and height in dots.
    pub fn dots(&self) -> (usize, usize) {
        (self.columns * 2, self.rows * 4)
    }

    /// The character at a column and a row; nothing outside.
    fn cell(&mut self, column: usize, row: usize) -> Option<&mut Cell> {
        if column >= self.columns {
            return None;
        }
        self.cells.get_mut(row * self.columns + column)
    }

    /// Sets a dot, counted from the top left.
    pub fn dot(&mut self, (x, y): (usize, usize), owner: usize) {
        let bit = DOTS.get(y % 4).and_then(|row| row.get(x % 2)).copied().unwrap_or(0);
        if let Some(cell) = self.cell(x / 2, y / 4) {
            cell.dots |= bit;
            cell.owner = owner;
        }
    }

    /// Draws a straight line, and tells `seen` of every dot.
    pub fn line(&mut self, from: (usize, usize), to: (usize, usize), owner: usize, seen: &mut dyn FnMut(usize, usize)) {
        let (x0, y0, x1, y1) = (from.0 as i64, from.1 as i64, to.0 as i64, to.1 as i64);
        let steps = (x1 - x0).abs().max((y1 - y0).abs());
        for i in 0..=steps {
            let between = |a: i64, b: i64| match steps {
                0 => a,
                _ => a + ((b - a) * i * 2 + steps * (b - a).signum()) / (steps * 2),
            };
            let (x, y) = (between(x0, x1).max(0) as usize, between(y0, y1).max(0) as usize);
            self.dot((x, y), owner);
            seen(x, y);
        }
    }

    /// Puts a character over the dots.
    pub fn mark(&mut self, column: usize, row: usize, mark: char, owner: usize) {
        if let Some(cell) = self.cell(column, row) {
            cell.mark = Some(mark);
            cell.owner = owner;
        }
    }

    /// Whether a character stands over the dots.
    pub fn is_marked(&self, column: usize, row: usize) -> bool {
        column < self.columns && self.cells.get(row * self.columns + column).is_some_and(|c| c.mark.is_some())
    }

    /// A row as runs of one owner; trailing blanks left out.
    pub fn row(&self, row: usize) -> Vec<(usize, String)> {
        let mut runs: Vec<(usize, String)> = Vec::new();
        let cells = self.cells.chunks(self.columns.max(1)).nth(row).unwrap_or_default();
        let end = cells.iter().rposition(|c| c.dots != 0 || c.mark.is_some()).map_or(0, |i| i + 1);
        for cell in cells.iter().take(end) {
            let blank = cell.dots == 0 && cell.mark.is_none();
            let c = cell.mark.or(char::from_u32(BLANK + u32::from(cell.dots))).filter(|_| !blank).unwrap_or(' ');
            match runs.last_mut() {
                Some((owner, text)) if *owner == cell.owner || blank => text.push(c),
                _ => runs.push((cell.owner, c.into())),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(canvas: &Canvas) -> Vec<String> {
        (0..canvas.rows).map(|r| canvas.row(r).into_iter().map(|(_, t)| t).collect()).collect()
    }

    #[test]
    fn lines_are_dots() {
        let mut canvas = Canvas::new(3, 2);
        canvas.line((0, 7), (5, 0), 0, &mut |_, _| {});
        canvas.mark(2, 1, 'a', 1);
        canvas.mark(9, 9, 'b', 1);
        assert_eq!(text(&canvas), [" ⢀⠎", "⡰⠁a"]);
        assert!(canvas.is_marked(2, 1) && !canvas.is_marked(2, 0) && !canvas.is_marked(9, 9));
    }

    #[test]
    fn a_dot_is_where_it_was_set_and_outside_is_nothing() {
        let mut canvas = Canvas::new(1, 1);
        canvas.dot((1, 3), 0);
        canvas.dot((2, 0), 0);
        canvas.dot((0, 4), 0);
        assert_eq!(text(&canvas), ["⢀"]);
    }
}
