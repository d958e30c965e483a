//! Forms with a picture in them.

use sha2::{Digest as _, Sha256};

/// What services call the picture.
pub(super) const FILE_NAME: &str = "plot.png";

/// A form (`multipart/form-data`) of texts and a PNG in the field `field`: its type, and the form.
pub(super) fn form(texts: &[(String, String)], field: &str, png: &[u8]) -> (String, Vec<u8>) {
    // No text or picture holds the hash of itself and all others.
    let mut hash = Sha256::new_with_prefix(png);
    texts.iter().for_each(|(name, text)| hash.update(format!("{name}\0{text}\0")));
    let boundary: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    let mut out = Vec::with_capacity(png.len() + 4_096);
    let mut part = |head: &str, content: &[u8]| {
        out.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        out.extend_from_slice(content);
        out.extend_from_slice(b"\r\n");
    };
    for (name, text) in texts {
        part(&format!("name=\"{name}\""), text.as_bytes());
    }
    part(&format!("name=\"{field}\"; filename=\"{FILE_NAME}\"\r\nContent-Type: image/png"), png);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_has_its_texts_and_its_picture() {
        let (content_type, form) = form(&[("chat_id".into(), "-5".into())], "photo", b"\x89PNG\r\n--");
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let form: Vec<u8> = form.escape_ascii().collect();
        let form = String::from_utf8(form).unwrap().replace("\\r\\n", "\n").replace(boundary, "B");
        let want = "--B\nContent-Disposition: form-data; name=\\\"chat_id\\\"\n\n-5\n\
            --B\nContent-Disposition: form-data; name=\\\"photo\\\"; filename=\\\"plot.png\\\"\nContent-Type: image/png\n\n\
            \\x89PNG\n--\n--B--\n";
        assert_eq!(form, want);
    }
}
