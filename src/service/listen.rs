//! Where a service listens.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::ServiceError;
use super::options::ServiceOptions;
use super::prepare::Prepared;
use crate::server::WebAccess;

/// An address as Go writes it: `:9090` is every interface.
fn listen_on(address: &str) -> String {
    match address.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => address.to_owned(),
    }
}

/// Tries whether addresses can be listened on, before anything is done in vain.
///
/// # Errors
/// The first that cannot.
pub fn probe<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Result<(), ServiceError> {
    for address in addresses {
        let bound = std::net::TcpListener::bind(listen_on(address));
        bound.map_err(|source| ServiceError::Listen { address: address.to_owned(), source })?;
    }
    Ok(())
}

/// The addresses that a service is to listen on; none where it is handed sockets.
pub fn addresses<'a>(options: &'a ServiceOptions, prepared: &'a Prepared) -> &'a [String] {
    match (options.systemd_socket, options.listen_addresses.as_slice()) {
        (true, _) => &[],
        (false, []) => std::slice::from_ref(&prepared.config.watchbell.listen_address),
        (false, given) => given,
    }
}

/// Who may connect, and the sockets, the first of which has the service's address. Says how safe that is.
pub(super) async fn open(
    options: &ServiceOptions,
    prepared: &Prepared,
) -> Result<(Option<Arc<WebAccess>>, Vec<TcpListener>, SocketAddr), ServiceError> {
    let web = options.web_config.as_deref().map(WebAccess::load).transpose();
    let web = web.map_err(ServiceError::Web)?.map(Arc::new);
    let (listeners, address) = listen(options, prepared).await?;
    if !web.as_ref().is_some_and(|web| web.authenticates()) {
        warn_of_strangers(&listeners);
    }
    let is_tls = web.as_ref().is_some_and(|web| web.is_tls());
    tracing::info!("TLS is {}.", if is_tls { "enabled" } else { "disabled" });
    Ok((web, listeners, address))
}

async fn listen(options: &ServiceOptions, prepared: &Prepared) -> Result<(Vec<TcpListener>, SocketAddr), ServiceError> {
    if options.systemd_socket {
        return inherited();
    }
    let asked = addresses(options, prepared);
    let mut listeners = Vec::with_capacity(asked.len());
    for address in asked {
        let bound = TcpListener::bind(listen_on(address)).await;
        listeners.push(bound.map_err(|source| ServiceError::Listen { address: address.clone(), source })?);
    }
    let none = || std::io::Error::other("no address to listen on");
    let first = listeners.first().ok_or_else(none)?.local_addr()?;
    announce(&listeners)?;
    Ok((listeners, first))
}

/// The sockets that systemd has opened and hands over.
fn inherited() -> Result<(Vec<TcpListener>, SocketAddr), ServiceError> {
    let mut handed_over = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed_over.len() {
        if let Some(listener) = handed_over.take_tcp_listener(index)? {
            listener.set_nonblocking(true)?;
            listeners.push(TcpListener::from_std(listener)?);
        }
    }
    let none = || std::io::Error::other("no socket activation file descriptors found");
    let first = listeners.first().ok_or_else(none)?.local_addr()?;
    announce(&listeners)?;
    Ok((listeners, first))
}

/// Says where the service listens, in Alertmanager's words: tools read the port from them.
fn announce(listeners: &[TcpListener]) -> Result<(), ServiceError> {
    for listener in listeners {
        tracing::info!(address = %listener.local_addr()?, "Listening on");
    }
    Ok(())
}

/// Tells that whoever reaches the service may use it.
fn warn_of_strangers(listeners: &[TcpListener]) {
    let addresses = listeners.iter().filter_map(|listener| listener.local_addr().ok());
    for address in addresses.filter(|address| !address.ip().is_loopback()) {
        tracing::warn!(
            %address,
            "this address is open to other machines and nobody is asked who they are: whoever reaches it can read everything \
             and silence alerts; --web.config.file sets TLS and users"
        );
    }
}
