//! `dns_sd_configs`: targets from records of DNS. The servers are those of `/etc/resolv.conf`, read anew each time.

use futures::future::{BoxFuture, join_all};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::ResolveHosts;
use hickory_resolver::proto::rr::{RData, RecordType};

use super::group::{ADDRESS, TargetGroup, join_host_port};
use super::site::{Discover, Refresh, Site};
use crate::config::discovery::{DnsRecord, DnsSdConfig};
use crate::model::Labels;

impl Discover for DnsSdConfig {
    const MECHANISM: &'static str = "dns";

    fn run(self, site: Site) -> BoxFuture<'static, ()> {
        Box::pin(
            site.every(
                self.refresh_interval.as_std(),
                DnsDiscovery { last: vec![None; self.names.len()], config: self },
            ),
        )
    }
}

struct DnsDiscovery {
    config: DnsSdConfig,
    /// What each name gave last: a name that cannot be looked up keeps its targets.
    last: Vec<Option<TargetGroup>>,
}

impl Refresh for DnsDiscovery {
    fn refresh<'a>(&'a mut self, site: &'a Site) -> BoxFuture<'a, Result<Vec<TargetGroup>, String>> {
        Box::pin(async move {
            let resolver = resolver()?;
            let found = join_all(self.config.names.iter().map(|name| look_up(&resolver, &self.config, name))).await;
            let mut errors = Vec::new();
            for (last, found) in self.last.iter_mut().zip(found) {
                site.counters.dns_lookups.inc();
                match found {
                    Ok(group) => *last = Some(group),
                    Err(error) => {
                        site.counters.dns_lookup_failures.inc();
                        errors.push(error);
                    }
                }
            }
            if !errors.is_empty() {
                let errors = errors.join("; ");
                // Nothing was ever found: that is not known to be nothing.
                if self.last.iter().all(Option::is_none) {
                    return Err(errors);
                }
                site.failed(&errors);
            }
            Ok(self.last.iter().flatten().cloned().collect())
        })
    }
}

/// Asks the servers of the system's configuration, and remembers nothing: a name is looked up as often as asked for.
fn resolver() -> Result<TokioResolver, String> {
    let mut builder = TokioResolver::builder_tokio().map_err(|e| format!("could not load resolv.conf: {e}"))?;
    builder.options_mut().cache_size = 0;
    builder.options_mut().use_hosts_file = ResolveHosts::Never;
    builder.build().map_err(|e| e.to_string())
}

async fn look_up(resolver: &TokioResolver, config: &DnsSdConfig, name: &str) -> Result<TargetGroup, String> {
    let record = match config.record {
        DnsRecord::Srv => RecordType::SRV,
        DnsRecord::A => RecordType::A,
        DnsRecord::Aaaa => RecordType::AAAA,
        DnsRecord::Mx => RecordType::MX,
        DnsRecord::Ns => RecordType::NS,
    };
    let targets = match resolver.lookup(name, record).await {
        Ok(answer) => answer.answers().iter().filter_map(|r| target(name, config.port, &r.data)).collect(),
        // That a name is not there is an answer.
        Err(e) if e.is_no_records_found() || e.is_nx_domain() => Vec::new(),
        Err(e) => return Err(format!("could not resolve {name:?}: {e}")),
    };
    Ok(TargetGroup { targets, labels: Labels::empty(), source: name.into() })
}

/// A record as a target; one of another type (the `CNAME` on the way) is none.
fn target(name: &str, port: i64, data: &RData) -> Option<Labels> {
    let (mut srv_target, mut srv_port, mut mx, mut ns) = Default::default();
    let unrooted = |name: &str| name.trim_end_matches('.').to_owned();
    let address = match data {
        RData::SRV(srv) => {
            (srv_target, srv_port) = (srv.target.to_utf8(), srv.port.to_string());
            join_host_port(&unrooted(&srv_target), srv.port)
        }
        RData::MX(found) => {
            mx = found.exchange.to_utf8();
            join_host_port(&unrooted(&mx), port)
        }
        RData::NS(found) => {
            ns = found.0.to_utf8();
            join_host_port(&unrooted(&ns), port)
        }
        RData::A(found) => join_host_port(&found.0.to_string(), port),
        RData::AAAA(found) => join_host_port(&found.0.to_string(), port),
        _ => return None,
    };
    let labels: [(&str, String); 6] = [
        (ADDRESS, address),
        ("__meta_dns_name", name.to_owned()),
        ("__meta_dns_srv_record_target", srv_target),
        ("__meta_dns_srv_record_port", srv_port),
        ("__meta_dns_mx_record_target", mx),
        ("__meta_dns_ns_record_target", ns),
    ];
    Some(Labels::from_pairs(labels))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
    use hickory_resolver::net::runtime::TokioRuntimeProvider;

    use super::*;

    /// A name as a message writes it.
    fn wire(name: &str) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        for part in name.split('.') {
            bytes.push(part.len().try_into().unwrap());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.push(0);
        bytes
    }

    /// Answers each question by what follows its name: records of a type, or a code of an error.
    fn server() -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((_, from)) = socket.recv_from(&mut buffer) {
                let end = 12 + buffer[12..].iter().position(|b| *b == 0).unwrap() + 5;
                let first = usize::from(buffer[12]);
                let (records, code): (Vec<(u8, Vec<u8>)>, u8) = match &buffer[13..13 + first] {
                    b"srv" => {
                        let record = |port: u16, name: &str| {
                            (33, [&[0, 1, 0, 1][..], &port.to_be_bytes(), &wire(name)].concat())
                        };
                        (vec![record(9100, "a.example"), record(9101, "b.example")], 0)
                    }
                    b"alias" => (vec![(5, wire("a.example"))], 0),
                    b"v4" => (vec![(1, vec![10, 0, 0, 1]), (1, vec![10, 0, 0, 2])], 0),
                    b"mx" => (vec![(15, [&[0, 10][..], &wire("mail.example")].concat())], 0),
                    b"none" => (Vec::new(), 3),
                    _ => (Vec::new(), 2),
                };
                let mut answer = buffer[..end].to_vec();
                answer[2..12].copy_from_slice(&[
                    0x81,
                    0x80 | code,
                    0,
                    1,
                    0,
                    u8::try_from(records.len()).unwrap(),
                    0,
                    0,
                    0,
                    0,
                ]);
                for (kind, data) in records {
                    answer.extend_from_slice(&[
                        0xc0,
                        12,
                        0,
                        kind,
                        0,
                        1,
                        0,
                        0,
                        0,
                        60,
                        0,
                        u8::try_from(data.len()).unwrap(),
                    ]);
                    answer.extend_from_slice(&data);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn records_become_targets() {
        let mut connection = ConnectionConfig::udp();
        connection.port = server();
        let server = NameServerConfig::new([127, 0, 0, 1].into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().attempts = 0;
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        let resolver = builder.build().unwrap();
        for (name, record, want) in [
            ("v4.example.", DnsRecord::A, vec!["10.0.0.1:80", "10.0.0.2:80"]),
            ("mx.example.", DnsRecord::Mx, vec!["mail.example:80"]),
            ("srv.example.", DnsRecord::Srv, vec!["a.example:9100", "b.example:9101"]),
            ("none.example.", DnsRecord::A, vec![]),
        ] {
            let config = DnsSdConfig { record, port: 80, ..DnsSdConfig::default() };
            let found = look_up(&resolver, &config, name).await.unwrap();
            let addresses: Vec<&str> = found.targets.iter().map(|t| t.value(ADDRESS)).collect();
            assert_eq!(addresses, want, "{name}");
            let names = found.targets.iter().all(|t| t.value("__meta_dns_name") == name);
            assert!(names && &*found.source == name);
            if name.starts_with("srv") {
                assert_eq!(found.targets[0].value("__meta_dns_srv_record_target"), "a.example.");
                assert_eq!(found.targets[0].value("__meta_dns_srv_record_port"), "9100");
            }
        }
        let config = DnsSdConfig { record: DnsRecord::A, port: 80, ..DnsSdConfig::default() };
        let error = look_up(&resolver, &config, "broken.example.").await.unwrap_err();
        assert!(error.starts_with("could not resolve \"broken.example.\""), "{error}");
    }
}
