//! Machines of AWS: asked for by signed requests, page by page, and labelled as Prometheus does.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::discovery::Following;
use crate::support::http::{Request, answer, serve};
use crate::support::peers::wait_for;

const ZONES: &str = "<DescribeAvailabilityZonesResponse><availabilityZoneInfo><item><zoneName>eu-west-1a</zoneName><zoneId>euw1-az1</zoneId></item></availabilityZoneInfo></DescribeAvailabilityZonesResponse>";

const FIRST: &str = "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><reservationSet><item><ownerId>42</ownerId><instancesSet><item>
  <instanceId>i-1</instanceId><imageId>ami-1</imageId><instanceState><code>16</code><name>running</name></instanceState>
  <privateDnsName>ip-10-0-0-4</privateDnsName><dnsName>public.example</dnsName><instanceType>p5.48xlarge</instanceType>
  <placement><availabilityZone>eu-west-1a</availabilityZone></placement><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>
  <privateIpAddress>10.0.0.4</privateIpAddress><ipAddress>203.0.113.4</ipAddress><architecture>x86_64</architecture>
  <tagSet><item><key>Team Name</key><value>ml</value></item><item><key>empty</key><value/></item></tagSet>
  <networkInterfaceSet><item><subnetId>subnet-1</subnetId></item><item><subnetId>subnet-2</subnetId></item></networkInterfaceSet>
</item></instancesSet></item></reservationSet><nextToken>more</nextToken></DescribeInstancesResponse>";

const SECOND: &str = "<DescribeInstancesResponse><reservationSet><item><instancesSet>
  <item><instanceId>i-2</instanceId><privateIpAddress>10.0.0.5</privateIpAddress></item><item><instanceId>i-3</instanceId></item>
</instancesSet></item></reservationSet></DescribeInstancesResponse>";

#[test]
fn ec2_lists_machines_with_signed_requests() {
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let memory = asked.clone();
    let address = serve(false, move |request| {
        memory.lock().unwrap().push(request.clone());
        let form = String::from_utf8(request.body).unwrap();
        let body = match () {
            () if form.contains("Action=DescribeAvailabilityZones") => ZONES,
            () if form.contains("NextToken=more") => SECOND,
            () => FIRST,
        };
        Some(answer(200, &[("Content-Type", "text/xml")], body))
    });
    let entry = format!(
        "{{region: eu-west-1, endpoint: 'http://{address}', access_key: AKID, secret_key: s, port: 9100, refresh_interval: 1h, filters: [{{name: 'tag:env', values: [prod, dev]}}]}}"
    );
    let following = Following::start("ec2", &entry);
    wait_for("the machines", || (following.texts().len() == 2).then_some(()));
    let want = r#"{__address__="10.0.0.4:9100", __meta_ec2_ami="ami-1", __meta_ec2_architecture="x86_64", __meta_ec2_availability_zone="eu-west-1a", __meta_ec2_availability_zone_id="euw1-az1", __meta_ec2_instance_id="i-1", __meta_ec2_instance_state="running", __meta_ec2_instance_type="p5.48xlarge", __meta_ec2_owner_id="42", __meta_ec2_primary_subnet_id="subnet-1", __meta_ec2_private_dns_name="ip-10-0-0-4", __meta_ec2_private_ip="10.0.0.4", __meta_ec2_public_dns_name="public.example", __meta_ec2_public_ip="203.0.113.4", __meta_ec2_region="eu-west-1", __meta_ec2_subnet_id=",subnet-1,subnet-2,", __meta_ec2_tag_Team_Name="ml", __meta_ec2_vpc_id="vpc-1"}"#;
    assert_eq!(following.texts()[0], want);
    let asked = asked.lock().unwrap();
    for request in asked.iter() {
        let signature = request.header("authorization");
        assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID/"), "{signature}");
        assert!(signature.contains("/eu-west-1/ec2/aws4_request"), "{signature}");
    }
    let form = String::from_utf8(asked[1].body.clone()).unwrap();
    assert!(form.contains("Filter.1.Name=tag%3Aenv&Filter.1.Value.1=prod&Filter.1.Value.2=dev"), "{form}");
}

#[test]
fn lightsail_lists_machines_with_signed_requests() {
    let asked: Arc<Mutex<Vec<Request>>> = Arc::default();
    let memory = asked.clone();
    let address = serve(false, move |request| {
        memory.lock().unwrap().push(request.clone());
        let machine = json!({"name": "m", "supportCode": "sc", "location": {"availabilityZone": "eu-west-1a"},
            "blueprintId": "debian", "bundleId": "nano", "state": {"code": 16, "name": "running"},
            "privateIpAddress": "10.0.0.4", "publicIpAddress": "203.0.113.4", "ipv6Addresses": ["2001:db8::1"],
            "tags": [{"key": "a b", "value": "c"}, {"key": "none"}]});
        Some(answer(200, &[], json!({"instances": [machine, {"name": "no address"}]}).to_string()))
    });
    let entry = format!(
        "{{region: eu-west-1, endpoint: 'http://{address}', access_key: AKID, secret_key: s, refresh_interval: 1h}}"
    );
    let following = Following::start("lightsail", &entry);
    wait_for("the machine", || (!following.texts().is_empty()).then_some(()));
    let want = r#"{__address__="10.0.0.4:80", __meta_lightsail_availability_zone="eu-west-1a", __meta_lightsail_blueprint_id="debian", __meta_lightsail_bundle_id="nano", __meta_lightsail_instance_name="m", __meta_lightsail_instance_state="running", __meta_lightsail_instance_support_code="sc", __meta_lightsail_ipv6_addresses=",2001:db8::1,", __meta_lightsail_private_ip="10.0.0.4", __meta_lightsail_public_ip="203.0.113.4", __meta_lightsail_region="eu-west-1", __meta_lightsail_tag_a_b="c"}"#;
    assert_eq!(following.texts(), [want]);
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].header("x-amz-target"), "Lightsail_20161128.GetInstances");
    assert!(asked[0].header("authorization").contains("/eu-west-1/lightsail/aws4_request"));
}
