//! One frame, on a screen of any size.

use super::reading::{Deployment, Reading};
use super::view::{View, age, bytes, short, span};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Cell, Paragraph, Row, Sparkline, Table};

/// From this width on the table has the addresses too.
const WIDE: u16 = 120;
/// From this height on the curve is tall.
const TALL: u16 = 40;
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let curve = if area.height >= TALL { 10 } else { 4 };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(6),
        Constraint::Length(curve),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [head, figures, calls, deployments, foot] = Layout::vertical(rows).areas(area);
    frame.render_widget(header(view), head);
    if let Some(reading) = &view.reading {
        draw_figures(frame, figures, view, reading);
        draw_curve(frame, calls, view);
        frame.render_widget(table(view, reading, deployments), deployments);
    }
    frame.render_widget(Line::from(Span::styled(" q quits", FAINT)), foot);
}

fn header(view: &View) -> Line<'_> {
    let mut spans = vec![Span::styled(" tollgate ", STRONG)];
    if let Some(reading) = &view.reading {
        let up = age(view.now - reading.gauges.started);
        let cpu = view.rates.cpu * 100.0;
        let words = format!("{}  {}  up {up}  cpu {cpu:.0} %  ", reading.gauges.version, view.url);
        spans.push(Span::raw(words));
    } else {
        spans.push(Span::raw(format!("{}  ", view.url)));
    }
    match (&view.error, view.database.as_deref()) {
        (Some(error), _) => spans.push(Span::styled(error.clone(), STRONG.fg(Color::Red))),
        (None, Some("connected")) => {
            spans.push(Span::styled("database connected", Style::new().fg(Color::Green)))
        }
        (None, Some(other)) => spans.push(Span::styled(format!("database: {other}"), STRONG.fg(Color::Red))),
        (None, None) => {}
    }
    Line::from(spans)
}

fn draw_figures(frame: &mut Frame<'_>, area: Rect, view: &View, reading: &Reading) {
    let [calls, tokens, time, books] = Layout::horizontal([Constraint::Ratio(1, 4); 4]).areas(area);
    let (rates, gauges) = (&view.rates, &reading.gauges);
    let dollars = reading.dollars;
    let share = if rates.calls > 0.0 { rates.failed / rates.calls * 100.0 } else { 0.0 };
    let queued = gauges.queued.map_or_else(|| "–".to_owned(), short);
    let percentiles = |pair: Option<(f64, f64)>| match pair {
        Some((median, high)) => (span(median), span(high)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let (first_median, first_high) = percentiles(rates.first_token);
    let (whole_median, whole_high) = percentiles(rates.whole_call);
    panel(
        frame,
        calls,
        "calls",
        &[
            ("a second", short(rates.calls)),
            ("failed", format!("{share:.1} %")),
            ("under way", short(gauges.in_flight)),
            ("in queue", queued),
        ],
    );
    panel(
        frame,
        tokens,
        "tokens",
        &[
            ("in, a s", short(rates.input)),
            ("out, a s", short(rates.output)),
            ("an hour", format!("${:.2}", rates.dollars)),
            ("so far", if dollars < 1.0 { format!("${dollars:.5}") } else { format!("${dollars:.2}") }),
        ],
    );
    panel(
        frame,
        time,
        "time",
        &[
            ("first p50", first_median),
            ("      p95", first_high),
            ("whole p50", whole_median),
            ("      p95", whole_high),
        ],
    );
    panel(
        frame,
        books,
        "books",
        &[
            ("to book", short(gauges.waiting_records)),
            ("behind", if gauges.lag_seconds >= 1.0 { age(gauges.lag_seconds) } else { "–".to_owned() }),
            ("lost", short(gauges.lost_records)),
            ("memory", bytes(gauges.resident_bytes)),
        ],
    );
}

fn panel(frame: &mut Frame<'_>, area: Rect, title: &'static str, figures: &[(&'static str, String)]) {
    let line = |(name, value): &(&'static str, String)| {
        Line::from(vec![Span::styled(format!(" {name:10}"), FAINT), Span::styled(value.clone(), STRONG)])
    };
    let lines: Vec<Line<'_>> = figures.iter().map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(format!(" {title} "))), area);
}

fn draw_curve(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let room = usize::from(area.width.saturating_sub(2));
    let skipped = view.curve.len().saturating_sub(room);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let points: Vec<u64> = view.curve.iter().skip(skipped).map(|calls| (calls * 100.0) as u64).collect();
    let peak = view.curve.iter().skip(skipped).copied().fold(0.0, f64::max);
    let title = format!(" calls a second, at most {} ", short(peak));
    let curve = Sparkline::default().block(Block::bordered().title(title)).data(points);
    frame.render_widget(curve.style(Style::new().fg(Color::Cyan)), area);
}

fn table<'a>(view: &View, reading: &'a Reading, area: Rect) -> Table<'a> {
    let is_wide = area.width >= WIDE;
    let mut all: Vec<(&String, &Deployment)> = reading.deployments.iter().collect();
    let rate = |id: &str| view.rates.deployments.get(id).copied().unwrap_or_default();
    // What needs a look first, then what works most.
    all.sort_by(|(a_id, a), (b_id, b)| {
        let busy = rate(b_id).0.total_cmp(&rate(a_id).0);
        b.state.total_cmp(&a.state).then(busy).then_with(|| (&a.model, a_id).cmp(&(&b.model, b_id)))
    });
    let room = usize::from(area.height.saturating_sub(3));
    let hidden = all.len().saturating_sub(room);
    let rows = all.iter().take(room).map(|(id, deployment)| row(id, deployment, rate(id), is_wide));
    let rows: Vec<Row<'_>> = rows.collect();
    let more = if hidden > 0 { format!(", {hidden} not shown") } else { String::new() };
    let title = format!(" deployments: {}{more} ", all.len());
    let mut names = vec!["state", "model", "id", "calls/s", "failed/s", "requests left", "tokens left"];
    let mut widths = vec![
        Constraint::Length(8),
        Constraint::Min(12),
        Constraint::Length(10),
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(13),
        Constraint::Length(13),
    ];
    if is_wide {
        names.extend(["cooled", "address"]);
        widths.extend([Constraint::Length(7), Constraint::Percentage(40)]);
    }
    Table::new(rows, widths).header(Row::new(names).style(FAINT)).block(Block::bordered().title(title))
}

fn row<'a>(id: &str, deployment: &'a Deployment, (calls, failed): (f64, f64), is_wide: bool) -> Row<'a> {
    let (word, colour) = match deployment.state {
        state if state >= 2.0 => ("cooling", Color::Red),
        state if state >= 1.0 => ("failing", Color::Yellow),
        _ => ("healthy", Color::Green),
    };
    let of = |left: Option<f64>, limit: Option<f64>| match (left, limit) {
        (Some(left), Some(limit)) => format!("{} of {}", short(left), short(limit)),
        (Some(left), None) => short(left),
        (None, Some(limit)) => format!("– of {}", short(limit)),
        (None, None) => "–".to_owned(),
    };
    let mut cells = vec![
        Cell::from(word).style(Style::new().fg(colour)),
        Cell::from(deployment.model.as_str()),
        Cell::from(id.chars().take(10).collect::<String>()),
        Cell::from(short(calls)),
        Cell::from(short(failed)),
        Cell::from(of(deployment.requests_left, deployment.rpm)),
        Cell::from(of(deployment.tokens_left, deployment.tpm)),
    ];
    if is_wide {
        cells.push(Cell::from(short(deployment.cooled)));
        cells.push(Cell::from(deployment.base.as_str()));
    }
    Row::new(cells)
}
