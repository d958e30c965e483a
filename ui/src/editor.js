// The editor of expressions: completion from the server, errors underlined where they are. It lives in a shadow root, whose
// styles the page's policy allows without exception.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap, setDiagnostics } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';

const colours = HighlightStyle.define([
  { tag: tags.number, color: 'var(--warning)' },
  { tag: [tags.string, tags.special(tags.brace)], color: 'var(--good)' },
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword], color: 'var(--accent)' },
  { tag: tags.labelName, color: 'var(--info)' },
  { tag: tags.comment, color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: tags.invalid, color: 'var(--critical)' },
]);

const theme = EditorView.theme({
  '&': { fontSize: '13.5px', color: 'var(--ink)', background: 'var(--paper)', border: '1px solid var(--edge)', borderRadius: '6px' },
  '&.cm-focused': { outline: '2px solid var(--focus)', outlineOffset: '1px' },
  '.cm-content, .cm-tooltip, .cm-completionLabel': { fontFamily: 'var(--mono)', caretColor: 'var(--ink)' },
  '.cm-scroller': { lineHeight: '1.6', maxHeight: '18rem' },
  '.cm-placeholder': { color: 'var(--quiet)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-matchingBracket': { background: 'var(--soft)', outline: '1px solid var(--line)' },
  // Without the picture that usually underlines: the policy lets none in.
  '.cm-lintRange-error, .cm-lintRange-warning, .cm-lintRange-info': { backgroundImage: 'none', textDecoration: 'underline wavy var(--critical) 1px', textUnderlineOffset: '4px' },
  '.cm-lintPoint::after': { borderBottomColor: 'var(--critical)' },
  '.cm-diagnostic': { borderInlineStart: '4px solid var(--critical)' },
  '.cm-tooltip': { background: 'var(--paper)', color: 'var(--ink)', border: '1px solid var(--line)', borderRadius: '6px' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { background: 'var(--accent)', color: 'var(--paper)' },
  '.cm-completionDetail, .cm-completionInfo': { color: 'var(--quiet)', fontStyle: 'normal' },
});

/// An editor in `host` for the text of `field`; `run` is called when Enter is pressed. The promise of a query's completion
/// asks below `root`.
export function editor(host, field, root, run) {
  const shadow = host.attachShadow({ mode: 'open' });
  const promql = new PromQLExtension();
  promql.setComplete({ remote: { url: new URL(root || '.', location.href).href.replace(/\/$/, ''), httpMethod: 'GET' } });
  const go = (view) => { if (view.state.doc.length) run(); return true; };
  const view = new EditorView({
    root: shadow,
    parent: shadow,
    state: EditorState.create({
      doc: field.value,
      extensions: [
        history(), indentOnInput(), bracketMatching(), closeBrackets(), autocompletion(), EditorView.lineWrapping,
        syntaxHighlighting(colours), theme, promql.asExtension(), placeholder(field.placeholder),
        EditorView.contentAttributes.of({ 'aria-label': 'PromQL expression', spellcheck: 'false', dir: 'ltr' }),
        Prec.high(keymap.of([{ key: 'Shift-Enter', run: insertNewlineAndIndent }, { key: 'Mod-Enter', run: go }])),
        keymap.of([...completionKeymap, { key: 'Enter', run: go }, ...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...lintKeymap]),
        EditorView.updateListener.of((update) => { if (update.docChanged) field.value = update.state.doc.toString(); }),
      ],
    }),
  });
  field.hidden = true;
  /// Underlines what the server says is wrong: `2:5: parse error: ...` names the line and the byte in it.
  view.complain = (message) => {
    const at = message && /(?:^|\s)(\d+):(\d+): parse error/.exec(message);
    const line = at && Number(at[1]) <= view.state.doc.lines ? view.state.doc.line(Number(at[1])) : null;
    const from = line ? Math.min(line.from + Number(at[2]) - 1, line.to) : 0;
    const word = line && view.state.wordAt(from);
    const to = word ? word.to : Math.min(from + 1, view.state.doc.length);
    const found = line ? [{ from: Math.min(from, Math.max(to - 1, 0)), to, severity: 'error', message }] : [];
    view.dispatch(setDiagnostics(view.state, found));
  };
  return view;
}
